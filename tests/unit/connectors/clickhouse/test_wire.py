"""Consumers with the sign get runs, one per wire batch; others get records as before."""

from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from connectors.clickhouse.wire import deliver_whole_batches, whole_batches

PLACE = TopicPartition("t", 0)


def batch(*values: bytes, first: int) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for number, value in enumerate(values):
        builder.append(number, 1_000 + number, b"k", value, [])
    built = bytearray(builder.build())
    built[:8] = first.to_bytes(8, "big")  # the base offset is not part of the checksum
    return bytes(built)


def fetched(wire: bytes, *, start: int = 0, sign: Any = whole_batches) -> Any:
    deliver_whole_batches()
    return fetcher.PartitionRecords(PLACE, MemoryRecords(wire), [], start, sign, None, True, fetcher.READ_UNCOMMITTED)


def test_a_run_for_each_batch_and_the_position_behind_it() -> None:
    found = fetched(batch(b"a", b"b", first=0) + batch(b"c", first=2))
    assert [record.value for record in next(found).records] == [b"a", b"b"]
    assert found.next_fetch_offset == 2
    (record,) = next(found).records
    assert (record.offset, record.timestamp, record.key, record.value) == (2, 1_000, b"k", b"c")
    assert found.next_fetch_offset == 3
    assert next(found, None) is None


def test_a_fetch_that_begins_inside_a_batch_leaves_out_what_is_before() -> None:
    (run,) = fetched(batch(b"a", b"b", b"c", first=10), start=11)
    assert [record.offset for record in run.records] == [11, 12]


def test_a_broken_batch_is_refused() -> None:
    wire = bytearray(batch(b"value", first=0))
    wire[-2] ^= 1
    with pytest.raises(CorruptRecordException):
        next(fetched(bytes(wire)))


def test_consumers_without_the_sign_are_served_record_by_record() -> None:
    (first, second) = fetched(batch(b"a", b"b", first=0), sign=None)
    assert (first.topic, first.value, second.offset) == ("t", b"a", 1)
