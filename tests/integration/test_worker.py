"""Workers on a real broker that join, leave, die between any two effects, and freeze: totals stay exact."""

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import psutil
import pytest

from connectors.kafka import partition_of
from pipeline.changelog import Changelog
from pipeline.counted import CountedState
from pipeline.counted_rows import END, REVISION
from pipeline.state import SourceRecord, Taken
from schemas.topics import RAW_EVENTS, STATE_COUNTED, TOTALS
from tests.partition import Rec, read_back
from tests.system import Message, System, system

CLEAN: tuple[int, int, int, list[object]] = (0, 0, 0, [])
START_MS = 1_795_132_800_000  # 2026-11-20T00:00:00Z
PARTITIONS, CAMPAIGNS = 4, 40
SESSION_S = 3
FAILPOINTS = "totals_written:0.05,rows_written:0.05,before_flush:0.05"
numbers = itertools.count()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Broker, ClickHouse and sink for all tests that only add events: each checks everything sent so far."""
    with system(tmp_path_factory.mktemp("worker"), {"PULSE_WORKER__SESSION_S": str(SESSION_S)}) as running:
        running.start("sink", "sink")
        yield running


@pytest.fixture
def running(shared: System) -> Iterator[System]:
    yield shared
    for name in [name for name in shared.started if name.startswith("worker")]:
        shared.supervisor.stop_part(name)


def event(number: int, at_ms: int) -> tuple[bytes, bytes]:
    body: dict[str, Any] = {
        "event_id": f"e{number}",
        "platform": "meta",
        "account_id": "1",
        "campaign_id": f"c{number % CAMPAIGNS}",
    }
    body |= {"at": at_ms, "type": "click" if number % 5 else "impression", "spend_micros": number % 1000}
    body |= {"zone": "Asia/Kolkata", "currency": "INR", "ad_id": f"a{number % 3}"}
    return f"meta:1:c{number % CAMPAIGNS}".encode(), json.dumps(body).encode()


def events(count: int) -> list[Message]:
    """The next events and what ends them; event time passes at a minute for 50 events, some come late or twice."""
    found = []
    for number in itertools.islice(numbers, count):
        received_ms = START_MS + number * 1200
        key, value = event(number, received_ms - (0 if number % 7 else 90_000))
        message = Message(RAW_EVENTS, partition_of(key, PARTITIONS), -1, received_ms, key, value)
        found += [message, message] if number % 11 == 0 else [message]
    over_ms = found[-1].timestamp + 2_500
    for wait_ms in (0, 2_500):
        found += [Message(RAW_EVENTS, p, -1, over_ms + wait_ms, None, None) for p in range(PARTITIONS)]
    return found


def check(running: System) -> None:
    found = running.verify()
    assert (found["lost"], found["duplicated"], found["drift_micros"], found["differences"]) == CLEAN
    assert found["checked"] > CAMPAIGNS


def started(running: System, name: str, *, static: bool = True, **environment: str) -> None:
    running.start(name, "worker", PULSE_WORKER__INSTANCE=name if static else "", **environment)


@pytest.mark.parametrize("static", [True, False], ids=["static", "dynamic"])
def test_a_worker_joins_and_leaves_while_events_flow(running: System, static: bool) -> None:
    stem = "worker-static" if static else "worker-dynamic"
    started(running, f"{stem}-1", static=static)
    running.produce(events(1_000), per_s=1_000)
    started(running, f"{stem}-2", static=static)
    deadline = time.monotonic() + 30
    while "state restored" not in running.log(f"{stem}-2"):
        assert time.monotonic() < deadline, running.log(f"{stem}-2")[-1500:]
        running.produce(events(500), per_s=1_000)
    running.produce(events(1_000), per_s=1_000)
    running.supervisor.stop_part(f"{stem}-1")
    running.produce(events(2_000), per_s=1_000)
    running.drain()
    check(running)
    assert "Traceback" not in running.log(f"{stem}-1") + running.log(f"{stem}-2")


def test_dying_between_any_two_effects_loses_nothing_and_doubles_nothing(running: System) -> None:
    names = ["worker-dying-1", "worker-dying-2"]
    for name in names:
        started(running, name, PULSE_WORKER__FAILPOINTS=FAILPOINTS)
    deadline = time.monotonic() + 40
    while deaths(running, names) < 4 and time.monotonic() < deadline:
        running.produce(events(500), per_s=500)
    assert deaths(running, names) >= 4, "the failpoints kill too seldom to prove anything"
    for name in names:
        running.supervisor.stop_part(name)
    started(running, "worker-after")
    running.drain()
    check(running)


def deaths(running: System, names: list[str]) -> int:
    return sum(part.restarts for part in running.supervisor.status() if part.name in names)


# -- a freeze longer than the session ---------------------------------------------------------------------------


def test_a_worker_that_freezes_longer_than_its_session_spoils_nothing(running: System) -> None:
    names = ["worker-frozen-1", "worker-frozen-2"]
    for name in names:
        started(running, name, static=False)
    running.produce(events(2_000), per_s=1_000)
    for name in names:
        pid = running.pid(name)
        assert pid is not None
        running.produce(events(300), per_s=1_000)
        process = psutil.Process(pid)
        process.suspend()  # in the middle of whatever it does
        try:
            running.produce(events(int(SESSION_S * 2 * 700)), per_s=700)
        finally:
            process.resume()
        running.produce(events(500), per_s=1_000)
    running.drain()
    check(running)
    assert any("frozen for" in running.log(name) for name in names)
    undisturbed = calm(running.read(RAW_EVENTS))
    assert newest(running.read(TOTALS)) == newest(totals_of(undisturbed))
    changelog = running.read(STATE_COUNTED)
    assert steps_back(changelog) == []
    assert restored(changelog) == rows_of(undisturbed)
    assert restored(compacted(changelog)) == rows_of(undisturbed)


def newest(messages: list[Message]) -> dict[str, tuple[int, int, int]]:
    """Total id -> version, clicks and spend, of the highest version of counted totals; equal versions are equal."""
    best: dict[str, tuple[int, int, int]] = {}
    for message in messages:
        if message.key is None or message.value is None or b"|counted|" not in message.key:
            continue
        total = json.loads(message.value)
        found = (total["version"], total["clicks"], total["spend_micros"])
        known = best.get(total["total_id"], (-1, 0, 0))
        assert found == known or found[0] != known[0]
        best[total["total_id"]] = max(found, known)
    return best


def calm(raw: list[Message]) -> dict[int, Taken]:
    """What one worker that nobody disturbs comes to when it reads everything at once, by partition."""
    found = {}
    for number in range(PARTITIONS):
        state = CountedState(RAW_EVENTS, number)
        records: list[SourceRecord] = [message for message in raw if message.partition == number]
        state.count(records)
        found[number] = state.take()
    return found


def totals_of(taken: dict[int, Taken]) -> list[Message]:
    return [Message(*output[:1], number, -1, 0, *output[1:]) for number, one in taken.items() for output in one.outputs]


Rows = dict[int, dict[bytes, list[Any]]]


def rows_of(taken: dict[int, Taken]) -> Rows:
    return {
        number: {key: figures(row) for key, row in read_back(one.rows).items() if _is_window(key)}
        for number, one in taken.items()
    }


def restored(changelog: list[Message]) -> Rows:
    found: Rows = {}
    for number in range(PARTITIONS):
        reader = Changelog(b"test")
        reader.read(Rec(m.offset, 0, m.key, m.value) for m in changelog if m.partition == number)
        found[number] = {key: figures(row) for key, row in reader.rows().items() if _is_window(key)}
    return found


def figures(row: list[Any]) -> list[Any]:
    """Without revision and flags: of copies with the same records a restore may take one that had not come to the
    last crossing. The next one brings it up, and what it says then was said (a unit test of the counted state).
    """
    return [*row[:REVISION], *row[END:]]


def _is_window(key: bytes) -> bool:
    return not key.startswith(b"\0")


def compacted(changelog: list[Message]) -> list[Message]:
    """What log compaction leaves: the last record of every physical key, tombstones gone."""
    last: dict[tuple[int, bytes | None], Message] = {}
    for message in changelog:
        last.pop((message.partition, message.key), None)
        last[message.partition, message.key] = message
    return [message for message in last.values() if message.value is not None]


def steps_back(changelog: list[Message]) -> list[bytes]:
    """Physical keys whose order fell: somebody overwrote a newer copy."""
    highest: dict[tuple[int, bytes], int] = {}
    found = []
    for message in changelog:
        if message.value is None or message.key is None:
            continue
        place, order = (message.partition, message.key), msgspec.msgpack.decode(message.value)[0]
        if order < highest.get(place, -1):
            found.append(message.key)
        highest[place] = max(order, highest.get(place, -1))
    return found
