"""What becomes ready together goes together; nobody waits for what is not being prepared."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa
import pytest

from connectors.clickhouse import gather
from connectors.clickhouse.blocks import prepare, whole
from connectors.clickhouse.gather import Gathering
from schemas.table import Table
from schemas.tables import CAMPAIGN_TOTALS, RAW_RECORDS, TOTALS_HISTORY
from schemas.topics import TOTALS
from tests.integration.clickhouse_rows import Rec, total


@dataclass
class Inserts:
    """Keeps what was sent; `failure` is what an insert raises."""

    sent: list[tuple[str, int, str]] = field(default_factory=list)
    failure: Exception | None = None

    async def send(self, table: Table, arrows: list[Any], token: str) -> None:
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        self.sent.append((table.name, sum(arrow.num_rows for arrow in arrows), token))


def rows(*offsets: int) -> Any:
    return pa.table({"offset": pa.array(offsets, pa.uint64())})


async def test_blocks_that_are_prepared_at_the_same_time_are_one_insert() -> None:
    inserts = Inserts()
    one = Gathering(inserts.send)
    with one.preparing([RAW_RECORDS]):
        with one.preparing([RAW_RECORDS]):
            first = one.add(RAW_RECORDS, rows(1, 2), "a")
        await asyncio.sleep(0.01)
        assert not first.done()
        second = one.add(RAW_RECORDS, rows(3), "b")
    await asyncio.wait_for(asyncio.gather(first, second), 5)
    assert inserts.sent == [("raw_records", 3, "a,b")]


async def test_a_block_of_another_table_is_not_waited_for() -> None:
    inserts = Inserts()
    one = Gathering(inserts.send)
    with one.preparing([TOTALS_HISTORY]):
        with one.preparing([RAW_RECORDS]):
            stored = one.add(RAW_RECORDS, rows(1), "a")
        await asyncio.wait_for(stored, 5)
    assert inserts.sent == [("raw_records", 1, "a")]


async def test_what_is_large_enough_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "TOGETHER_BYTES", 16)
    inserts = Inserts()
    one = Gathering(inserts.send)
    with one.preparing([RAW_RECORDS]):
        with one.preparing([RAW_RECORDS]):
            stored = one.add(RAW_RECORDS, rows(1, 2), "a")
        await asyncio.wait_for(stored, 5)


async def test_a_block_that_comes_to_nothing_holds_nobody_up() -> None:
    inserts = Inserts()
    one = Gathering(inserts.send)
    with one.preparing([RAW_RECORDS]), one.preparing([RAW_RECORDS]):
        stored = one.add(RAW_RECORDS, rows(1), "a")
    await asyncio.wait_for(stored, 5)
    assert inserts.sent == [("raw_records", 1, "a")]


async def test_all_who_wait_hear_of_a_failure() -> None:
    one = Gathering(Inserts(failure=OSError("refused")).send)
    with one.preparing([RAW_RECORDS]):
        waiting = [one.add(RAW_RECORDS, rows(n), str(n)) for n in range(3)]
    assert [str(error) for error in await asyncio.gather(*waiting, return_exceptions=True)] == ["refused"] * 3


async def test_close_ends_what_is_being_sent() -> None:
    async def never(_table: Table, _arrows: list[Any], _token: str) -> None:
        await asyncio.Event().wait()

    one = Gathering(never)
    with one.preparing([RAW_RECORDS]):
        stored = one.add(RAW_RECORDS, rows(1), "a")
    await asyncio.sleep(0)
    one.close()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(stored, 5)


def test_one_insert_holds_the_rows_of_all_blocks_in_order() -> None:
    body = whole(RAW_RECORDS, [rows(1, 2), rows(3)])
    with pa.ipc.open_file(pa.BufferReader(body.data)) as file:
        assert (body.rows, file.num_record_batches) == (3, 1)
        assert file.read_all().column("offset").to_pylist() == [1, 2, 3]


def test_a_column_that_only_one_block_has_holds_its_default_in_the_others() -> None:
    told, silent = total(clicks=3, budget_id="b"), total(campaign_id="8", clicks=0)
    blocks = [
        prepare(TOTALS, "id", n, [Rec(0, 0, b"k", orjson.dumps(message))]) for n, message in enumerate((told, silent))
    ]
    arrows = [{table.name: arrow for table, arrow in rows}["totals"] for _, rows in blocks]
    assert ["clicks" in arrow.column_names for arrow in arrows] == [True, False]
    body = whole(CAMPAIGN_TOTALS, arrows)
    with pa.ipc.open_file(pa.BufferReader(body.data)) as file:
        found = file.read_all().select(["campaign_id", "clicks", "budget_id", "totals_partition"]).to_pydict()
    assert "video_views" not in body.columns
    assert list(found.values()) == [[b"7", b"8"], [3, 0], [b"b", None], [0, 1]]
