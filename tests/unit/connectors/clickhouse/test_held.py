"""What waits is counted in bytes, and leaves in order within the limits of a block."""

import tracemalloc
from dataclasses import dataclass

import pytest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from connectors.clickhouse.held import RECORD_BYTES, Cut, Held, bytes_of


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
