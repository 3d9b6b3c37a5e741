"""A lane cuts by rows, bytes, time and gaps, in order, and keeps what is not stored."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from connectors import telemetry
from connectors.clickhouse.held import RECORD_BYTES, Cut
from connectors.clickhouse.lane import Lane
from connectors.clickhouse.positions import Stored
from pipeline.rows import Block, block_of
from pipeline.state import SourceRecord
from schemas.topics import TOTALS
from tests.integration.clickhouse_rows import total
from tests.property.test_wire_records import batch_of, built
from tests.wire_reading import WireRecords

TOPIC = "raw.events.v1"
MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Rec:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass
class MemoryWriter:
    """Keeps blocks and ranges; `hold` makes writes wait."""

    ranges: list[tuple[int, int]] = field(default_factory=list)
    written: list[tuple[int, int]] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, topic: str, topic_id: str, partition: int, records: list[SourceRecord]) -> Block:
        await self.go.wait()
        block = block_of(topic, topic_id, partition, records)
        self.written.append((block.first_offset, block.last_offset))
        return block

    async def remember(self, row: dict[str, Any]) -> None:
        self.ranges.append((row["first_offset"], row["last_offset"]))
        self.skipped.append(row["skipped"])


def lane(writer: MemoryWriter, cut: Cut, *, last: Stored | None = None) -> Lane:
    return Lane(TOPIC, "id", 0, last=last, writer=writer, cut=cut)  # type: ignore[arg-type]


def records(*offsets: int, value: bytes | None = b"{}") -> list[Rec]:
    return [Rec(offset, 1_000 + offset, b"k" if value is not None else None, value) for offset in offsets]


async def stored(writer: MemoryWriter, one: Lane) -> MemoryWriter:
    writer.go.set()
    one.close()
    await asyncio.wait_for(one.run(), 5)
    return writer


async def test_blocks_are_cut_by_rows_in_order() -> None:
    one = lane(writer := MemoryWriter(), Cut(rows=4, bytes=MB, wait_s=60))
    one.add(records(*range(10)))
    await stored(writer, one)
    assert writer.ranges == writer.written == [(0, 3), (4, 7), (8, 9)]
    assert (one.bytes, one.oldest_ms, one.stored_to) == (0, None, 10)


async def test_blocks_are_cut_by_bytes() -> None:
    one = lane(writer := MemoryWriter(), Cut(rows=100, bytes=2 * (RECORD_BYTES + 3), wait_s=60))
    one.add(records(*range(4)))
    await stored(writer, one)
    assert writer.ranges == [(0, 1), (2, 3)]


async def test_a_block_leaves_when_its_oldest_record_has_waited() -> None:
    one = lane(writer := MemoryWriter(), Cut(rows=100, bytes=MB, wait_s=0.05))
    writer.go.set()
    running = asyncio.create_task(one.run())
    one.add(records(0, 1))
    await asyncio.sleep(0)
    assert writer.ranges == []
    for _ in range(100):
        await asyncio.sleep(0.02)
        if writer.ranges:
            break
    assert writer.ranges == [(0, 1)]
    one.close()
    await asyncio.wait_for(running, 5)


async def test_a_gap_ends_a_block_so_that_ranges_say_what_is_stored() -> None:
    one = lane(writer := MemoryWriter(), Cut(rows=100, bytes=MB, wait_s=60))
    one.add(records(0, 1))
    one.add(records(5, 6))
    await stored(writer, one)
    assert writer.ranges == [(0, 1), (5, 6)]


async def test_records_stored_before_are_passed_over() -> None:
    last = Stored(0, 6, skipped=0, empty=False)
    one = lane(writer := MemoryWriter(), Cut(rows=100, bytes=MB, wait_s=60), last=last)
    one.add(records(5, 6, 7, 8))
    one.add(records(7, 8))
    one.add(WireRecords([batch_of(built(7, [(0, b"k", b"{}", [])] * 4))]))
    await stored(writer, one)
    assert writer.ranges == [(7, 10)]


async def test_a_range_of_ticks_grows_over_restarts_and_records_begin_a_new_one() -> None:
    last = Stored(3, 6, skipped=4, empty=True)
    one = lane(writer := MemoryWriter(), Cut(rows=2, bytes=MB, wait_s=60), last=last)
    one.add(records(7, 8, 9, value=None))
    one.add(records(10, 11))
    await stored(writer, one)
    assert writer.ranges == [(3, 8), (9, 10), (11, 11)]
    assert writer.skipped == [6, 1, 0]


async def test_a_full_lane_says_so_until_blocks_have_left() -> None:
    one = lane(writer := MemoryWriter(), Cut(rows=2, bytes=MB, wait_s=60))
    said = []
    for offset in range(4):
        one.add(records(offset))
        said.append(one.full)
    assert said == [False, False, False, True]
    assert one.oldest_ms == 1_000
    await stored(writer, one)
    assert not one.full


async def test_the_position_does_not_move_while_a_block_waits() -> None:
    one = lane(writer := MemoryWriter(), Cut(rows=2, bytes=MB, wait_s=0.001))
    running = asyncio.create_task(one.run())
    one.add(records(0, 1))
    await asyncio.sleep(0.05)
    assert (one.stored_to, one.bytes > 0, writer.ranges) == (0, True, [])
    writer.go.set()
    one.close()
    await asyncio.wait_for(running, 5)
    assert one.stored_to == 2


async def test_ticks_and_superseded_totals_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[tuple[str, str, int]] = []
    monkeypatch.setattr(telemetry, "dropped", lambda *told: dropped.append(told))
    one = Lane(TOTALS, "id", 0, last=None, writer=(writer := MemoryWriter()), cut=Cut(100, MB, 60))  # type: ignore[arg-type]
    versions = [Rec(n, 0, b"k", orjson.dumps(total(version=4 * (n + 1)))) for n in range(3)]
    one.add([*versions, Rec(3, 0, None, b"{}")])
    await stored(writer, one)
    assert writer.skipped == [3]
    assert dropped == [("sink", "tick", 1), ("sink", "superseded", 2)]
