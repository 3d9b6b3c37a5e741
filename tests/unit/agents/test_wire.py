"""Batches as bytes: whatever codec they came in, what is read of them is what aiokafka reads."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from agents import wire
from agents.transport import Run, together
from agents.wire import RememberedRecords, records_of, remember_bytes
from tests.wire_reading import WireRecords

NOON_MS = 1_790_000_000_000
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "native", SimpleNamespace(WireRecords=WireRecords))  # the one in C where it was built


def whole(base_offset: int, count: int, codec: int = 0) -> bytes:
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 20)
    for number in range(count):
        builder.append(number, NOON_MS + number, f"k{number % 3}".encode(), b"v" * number, [])
    built = builder.build()
    built[:8] = base_offset.to_bytes(8, "big")
    return bytes(built)


def as_tuples(records: Any) -> list[tuple[int, int, bytes | None, bytes | None]]:
    return [(record.offset, record.timestamp, record.key, record.value) for record in records]


def read_by_aiokafka(data: bytes) -> list[tuple[int, int, bytes | None, bytes | None]]:
    records, found = MemoryRecords(data), []
    while records.has_next():
        found += as_tuples(records.next_batch())
    return found


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_fetch_of_several_batches_is_read_whole(codec: int) -> None:
    data = whole(5, 40, codec) + whole(45, 1) + whole(46, 30, codec)
    fetched, batches = RememberedRecords(data + whole(76, 3)[:20]), []  # a fetch may end in the middle of a batch
    while fetched.has_next():
        batch = fetched.next_batch()
        batches.append(fetched.bytes_of(batch))
    assert as_tuples(records_of([batch for batch in batches if batch is not None])) == read_by_aiokafka(data)


def test_timestamps_of_the_broker_are_left_to_aiokafka() -> None:
    data = bytearray(whole(0, 2))
    data[22] |= 0b1000  # the attribute that says so
    fetched = RememberedRecords(bytes(data))
    assert fetched.bytes_of(fetched.next_batch()) is None


def test_a_broken_batch_is_told_as_aiokafka_tells_it() -> None:
    data = whole(0, 2)
    with pytest.raises(CorruptRecordException):
        records_of([(data, 61, len(data) - 1, 0, NOON_MS, 2)])


def test_runs_of_bytes_and_of_objects_come_together_in_order() -> None:
    fetched = RememberedRecords(whole(0, 2) + whole(2, 3))
    first = Run([], 2, NOON_MS, fetched.bytes_of(fetched.next_batch()))
    second = Run(list(fetched.next_batch()), 5, NOON_MS)
    assert (len(first), len(second)) == (2, 3)
    assert [record.offset for record in together([first, second])] == [0, 1, 2, 3, 4]
    assert [record.offset for record in together([first])] == [0, 1]
    assert list(together([Run([], 9, NOON_MS)])) == []


def test_the_fetcher_of_this_process_remembers_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetcher.MemoryRecords in (MemoryRecords, RememberedRecords)
    monkeypatch.setattr(fetcher, "MemoryRecords", MemoryRecords)
    remember_bytes()
    assert fetcher.MemoryRecords is RememberedRecords
