"""Whole fetched batches: what aiokafka unpacks for coalesced topics, and the messages our consumer makes of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from faust.types import TP

from agents import transport
from agents.transport import coalesce
from connectors import wire as batches
from connectors.wire import Run
from tests.contract.consumers import TP0, ours


@pytest.fixture
def coalesced() -> Iterator[None]:
    before = set(batches.COALESCED)
    coalesce({"t"})
    yield
    batches.COALESCED.clear()
    batches.COALESCED.update(before)
    fetcher.PartitionRecords._unpack_records = batches._one_by_one


def wire(*batches: list[int]) -> bytes:
    """Record batches of version 2 as a broker sends them; each a list of offsets."""
    found = b""
    for offsets in batches:
        builder = DefaultRecordBatchBuilder(
            magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
            batch_size=1 << 20,
        )  # fmt: skip
        for offset in offsets:
            builder.append(offset - offsets[0], timestamp=1_000 + offset, key=b"k", value=b"v%d" % offset, headers=[])
        batch = bytearray(builder.build())
        batch[:8] = offsets[0].to_bytes(8, "big")  # the base offset is not in the checksum
        found += bytes(batch)
    return found


def unpacked(topic: str, data: bytes, *, fetch_offset: int = 0) -> tuple[list[Any], int]:
    records = fetcher.PartitionRecords(
        TopicPartition(topic, 0), MemoryRecords(data), [], fetch_offset, None, None, True, fetcher.READ_UNCOMMITTED
    )
    return list(records), records.next_fetch_offset


def test_a_coalesced_topic_comes_as_one_run_a_wire_batch(coalesced: None) -> None:
    runs, position = unpacked("t", wire([0, 1, 2], [3, 4]))
    assert [[record.value for record in run.records] for run in runs] == [[b"v0", b"v1", b"v2"], [b"v3", b"v4"]]
    assert [(run.next_offset, run.timestamp) for run in runs] == [(3, 1002), (5, 1004)]
    assert position == 5


def test_a_fetch_that_begins_inside_a_batch_gives_only_what_follows(coalesced: None) -> None:
    (run,), position = unpacked("t", wire([0, 1, 2]), fetch_offset=2)
    assert ([record.offset for record in run.records], position) == ([2], 3)


def test_other_topics_come_record_by_record(coalesced: None) -> None:
    records, position = unpacked("other", wire([0, 1]))
    assert ([record.offset for record in records], position) == ([0, 1], 2)
    assert not any(isinstance(record, Run) for record in records)


def test_a_batch_that_was_damaged_on_the_way_is_refused(coalesced: None) -> None:
    data = bytearray(wire([0, 1]))
    data[-1] ^= 0xFF
    with pytest.raises(fetcher.Errors.CorruptRecordException):
        unpacked("t", bytes(data))


async def test_the_runs_of_a_partition_become_one_message_whose_offset_is_the_last_one(coalesced: None) -> None:
    runs, _ = unpacked("t", wire([0, 1, 2], [5, 6]))
    consumer = await fetching({TP0: runs})
    ((tp, message),) = [pair async for pair in consumer.getmany(1.0)]
    assert (tp, message.offset) == (TP0, 6)
    assert [record.offset for record in message.value] == [0, 1, 2, 5, 6]


async def test_a_message_holds_a_bounded_number_of_records(coalesced: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_RECORDS", 2)
    runs, _ = unpacked("t", wire([0, 1, 2], [3], [4, 5]))
    consumer = await fetching({TP0: runs})
    found = [message async for _, message in consumer.getmany(1.0)]
    assert [(message.offset, len(message.value)) for message in found] == [(2, 3), (5, 3)]


async def test_nothing_is_delivered_of_a_generation_that_is_over(coalesced: None) -> None:
    runs, _ = unpacked("t", wire([0], [1]))
    consumer = await fetching({TP0: runs, TP("t", 1): runs})
    delivered = []
    async for tp, _ in consumer.getmany(1.0):
        delivered.append(tp)
        consumer.app.consumer_generation_id += 1
    assert delivered == [TP0]


async def fetching(records: dict[TP, list[Any]]) -> Any:
    consumer = ours()
    consumer._active_partitions = set(records)

    async def getmany(_active: Any, _timeout: float) -> dict[TP, list[Any]]:
        return records

    consumer._thread.getmany = getmany
    return consumer
