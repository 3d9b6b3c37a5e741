"""What waits is counted in bytes, and leaves in order within the limits of a block."""

import tracemalloc
from dataclasses import dataclass
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from connectors.clickhouse.held import RECORD_BYTES, Cut, Held, bytes_of
from pipeline.per_record import BUILT
from tests.property.test_wire_records import batch_of, built
from tests.wire_reading import WireRecords


@dataclass(frozen=True, slots=True)
class Rec:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def records(*offsets: int, size: int = 10) -> list[Rec]:
    return [Rec(offset, 1_000 + offset, None, bytes(size)) for offset in offsets]


def offsets_of(held: Held, cut: Cut) -> list[list[int]]:
    blocks = []
    while held.rows:
        taken, size = held.take(cut)
        assert size == bytes_of(taken)
        blocks.append([record.offset for record in taken])
    return blocks


def test_blocks_span_what_was_added_and_split_it() -> None:
    held = Held()
    held.add(records(0, 1, 2))
    held.add(records(3, 4, 5, 6))
    assert held.oldest_ms == 1_000
    assert offsets_of(held, Cut(rows=5, bytes=1 << 20, wait_s=1)) == [[0, 1, 2, 3, 4], [5, 6]]
    assert (held.rows, held.bytes) == (0, 0)
    assert Held().oldest_ms is None


def test_no_block_holds_more_bytes_than_it_may_unless_one_record_does() -> None:
    held = Held()
    held.add([*records(0, 1, 2), *records(3, size=5_000), *records(4)])
    assert offsets_of(held, Cut(rows=100, bytes=2 * (RECORD_BYTES + 10), wait_s=1)) == [[0, 1], [2], [3], [4]]


def test_gaps_within_and_between_what_was_added_end_blocks() -> None:
    held = Held()
    held.add(records(0, 1, 5, 6, 9))
    held.add(records(10, 12))
    cut = Cut(rows=100, bytes=1 << 20, wait_s=1)
    assert offsets_of(held, cut) == [[0, 1], [5, 6], [9, 10], [12]]


@pytest.mark.parametrize("size", [0, 30, 1_000])
def test_bytes_are_estimated_from_above_and_not_far(size: int) -> None:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 10 << 20)
    for offset in range(2_000):
        builder.append(offset, 1_790_000_000_000 + offset, b"meta:acc1:c1", bytes(size), [])
    buffer = bytes(builder.build())
    tracemalloc.start()
    found = list(DefaultRecordBatch(buffer))
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used <= bytes_of(found) <= 2 * used


def on_the_wire(first: int, count: int, size: int = 10) -> Any:
    """Records as bytes where C was built, else as objects."""
    return WireRecords([batch_of(built(first, [(number, b"k", bytes(size), []) for number in range(count)]))])


def test_records_that_are_bytes_are_split_and_joined_like_others() -> None:
    held = Held()
    held.add(on_the_wire(0, 3))
    held.add(on_the_wire(3, 5))
    whole = held.bytes
    cut, blocks = Cut(rows=5, bytes=1 << 20, wait_s=1), []
    while held.rows:
        taken, size = held.take(cut)
        assert abs(size - bytes_of(taken)) <= 2  # of shares, which are rounded up
        whole -= size
        blocks.append([record.offset for record in taken])
    assert blocks == [[0, 1, 2, 3, 4], [5, 6, 7]]
    assert (held.rows, held.bytes, whole) == (0, 0, 0)


def test_no_block_of_bytes_holds_more_than_it_may_unless_one_record_does() -> None:
    held, cut = Held(), Cut(rows=100, bytes=bytes_of(on_the_wire(0, 8, 500)) // 3, wait_s=1)
    held.add(on_the_wire(0, 8, 500))
    held.add(on_the_wire(8, 1, 20_000))
    held.add(on_the_wire(9, 1))
    blocks = []
    while held.rows:
        taken, size = held.take(cut)
        assert size <= cut.bytes + 2 or len(taken) == 1
        blocks.append([record.offset for record in taken])
    assert blocks == [[0, 1], [2, 3], [4, 5], [6, 7], [8], [9]]


@pytest.mark.parametrize("size", [0, 30, 1_000])
def test_what_bytes_hold_is_told_as_it_is(size: int) -> None:
    data = built(0, [(number, b"meta:acc1:c1", bytes(size), []) for number in range(2_000)])
    tracemalloc.start()
    found = WireRecords([batch_of(data)])
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    held = used + len(data) if BUILT else used  # objects are copies, bytes are kept alive
    assert held <= 1.01 * bytes_of(found)
    assert bytes_of(found) <= 2 * held


def test_all_that_wait_leave_at_the_same_instants_and_others_in_between() -> None:
    derived, raw = Cut(rows=1, bytes=1, wait_s=2.0), Cut(rows=1, bytes=1, wait_s=2.0, after_s=1.0)
    assert [derived.due_s(since_s) for since_s in (0.0, 0.5, 1.9, 2.0)] == [2.0, 2.0, 2.0, 4.0]
    assert [raw.due_s(since_s) for since_s in (0.0, 0.5, 1.0, 2.9, 3.0)] == [1.0, 1.0, 3.0, 3.0, 5.0]
