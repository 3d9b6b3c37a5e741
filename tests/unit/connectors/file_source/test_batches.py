"""Which rows leave together, when, and under which time."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from connectors.clock import Clock
from connectors.file_source import batches as batches_module
from connectors.file_source.ahead import RowsAhead
from connectors.file_source.batches import BATCH_ROWS, Batch, Batches, ReplayOptions
from connectors.file_source.rows import RowFile
from pipeline.errors import Misconfigured

T0 = 1_574_553_793_000


def line(number: int, at_ms: int) -> str:
    body = {"event_id": f"e{number}", "platform": "sms", "account_id": "a", "campaign_id": "c", "type": "sent"}
    return json.dumps(body | {"at": at_ms})


def source(
    tmp_path: Path, lines: list[str], *, stop: asyncio.Event | None = None, recorded_ms: int = 0, **options: Any
) -> Batches:
    path = tmp_path / "a.ndjson"
    path.write_text("\n".join(lines))
    file, stop = RowFile(path), stop or asyncio.Event()
    return Batches(
        file,
        RowsAhead(file, stop),
        None,
        Clock.real(),
        ReplayOptions(**options),
        recorded_ms=recorded_ms,
        stop=stop,
    )


async def all_of(source: Batches) -> list[Batch]:
    found = [await source.next()]
    while not found[-1].last:
        found.append(await source.next())
    return found


async def test_rows_leave_in_batches_of_a_bounded_size_exactly_as_written(tmp_path: Path) -> None:
    lines = [line(number, T0) for number in range(2 * BATCH_ROWS + 1)]
    found = await all_of(source(tmp_path, lines))
    assert [batch.rows for batch in found] == [BATCH_ROWS, BATCH_ROWS, 1]
    assert [value.decode() for batch in found for _, value, _ in batch.outgoing] == lines
    assert {key for batch in found for key, _, _ in batch.outgoing} == {b"sms:a:c"}


async def test_a_bad_row_is_a_letter_with_the_row_as_it_stands_and_its_number(tmp_path: Path) -> None:
    (batch,) = await all_of(source(tmp_path, [line(0, T0), "{broken", line(2, 1)]))
    assert (batch.rows, len(batch.outgoing)) == (3, 1)
    letters = [json.loads(letter) for _, letter in batch.letters]
    assert [(one["code"], one["field"], one["offset"], one["topic"]) for one in letters] == [
        ("malformed", "", 1, "file:a.ndjson"),
        ("bad_time", "at", 2, "file:a.ndjson"),
    ]


async def test_recorded_time_is_the_events_own_and_never_goes_back(tmp_path: Path) -> None:
    lines = [line(number, T0 + at) for number, at in enumerate((0, 50, 20, 60))]
    batches = source(tmp_path, lines, recorded=True, recorded_ms=T0 + 10)
    (batch,) = await all_of(batches)
    assert [at - T0 for _, _, at in batch.outgoing] == [10, 50, 50, 60]
    assert batches.recorded_ms == T0 + 60


async def test_a_paced_file_leaves_as_its_events_fall_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches_module, "BEAT_S", 0.01)
    loop = asyncio.get_running_loop()
    began = loop.time()
    batches = source(tmp_path, [line(0, T0), line(1, T0 + 1000), line(2, T0 + 30_000)], speed=100.0)
    left: list[float] = []
    while len(left) < 3:
        batch = await batches.next()
        left += [loop.time() - began] * len(batch.outgoing)
    assert left[0] < 0.2
    assert left[1] >= 0.01
    assert 0.3 <= left[2] < 2.0


async def test_a_stop_ends_the_wait_for_a_row_that_is_not_due(tmp_path: Path) -> None:
    stop = asyncio.Event()
    batches = source(tmp_path, [line(0, T0), line(1, T0 + 3_600_000)], speed=1.0, stop=stop)
    assert len((await batches.next()).outgoing) == 1
    waiting = asyncio.ensure_future(batches.next())
    await asyncio.sleep(0.05)
    stop.set()
    batch = await asyncio.wait_for(waiting, 1)
    assert (batch.rows, batch.last) == (0, False)


async def test_a_stop_within_a_line_without_an_end_is_not_the_end_of_the_file(tmp_path: Path) -> None:
    stop = asyncio.Event()
    batches = source(tmp_path, [" " * (3 << 20), line(1, T0)], stop=stop)
    reading = asyncio.ensure_future(batches.next())
    await asyncio.sleep(0)  # it has asked for rows
    stop.set()
    assert (await reading).last is False


async def test_a_csv_file_without_a_mapping_is_said_to_need_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id\n1\n")
    file, stop = RowFile(path), asyncio.Event()
    batches = Batches(file, RowsAhead(file, stop), None, Clock.real(), ReplayOptions(), recorded_ms=0, stop=stop)
    with pytest.raises(Misconfigured) as refused:
        await batches.next()
    assert "--mapping" in refused.value.detail
