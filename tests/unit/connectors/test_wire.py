"""Whole batches for those who ask for them; as bytes, whatever codec they came in, they are what aiokafka reads."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from connectors import wire
from connectors.wire import (
    RememberedRecords,
    Run,
    WholeBatches,
    deliver_whole_batches,
    each_record,
    joined,
    records_of,
    together,
)
from pipeline.copies import Batch
from pipeline.per_record import BUILT
from tests.wire_reading import WireRecords, plain_batches

NOON_MS = 1_790_000_000_000
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    if not BUILT:
        monkeypatch.setattr(wire, "native", SimpleNamespace(WireRecords=WireRecords, plain_batches=plain_batches))


def whole(base_offset: int, count: int, codec: int = 0) -> bytes:
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 20)
    for number in range(count):
        builder.append(number, NOON_MS + number, f"k{number % 3}".encode(), b"v" * number, [])
    built = builder.build()
    built[:8] = base_offset.to_bytes(8, "big")
    return bytes(built)


def as_tuples(records: Any) -> list[tuple[int, int, bytes | None, bytes | None]]:
    return [(record.offset, record.timestamp, record.key, record.value) for record in records]


def batch_of(fetched: RememberedRecords) -> Batch:
    batch = fetched.bytes_of(fetched.next_batch())
    assert batch is not None
    return batch


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


@pytest.mark.parametrize("length", [-1, -(2**31), 0, 5])
def test_a_length_that_no_batch_has_is_refused(length: int) -> None:
    data = bytearray(whole(0, 2))
    data[8:12] = length.to_bytes(4, "big", signed=True)
    fetched = RememberedRecords(bytes(data))
    assert fetched.has_next()
    with pytest.raises(CorruptRecordException):
        fetched.next_batch()


def test_nothing_follows_what_is_cut_off() -> None:
    data = whole(0, 2)
    for size in (0, 7, 11, 12, len(data) - 1):
        fetched = RememberedRecords(data[:size])
        assert (fetched.has_next(), fetched.next_batch(), fetched.size_in_bytes()) == (False, None, size)


def test_runs_of_bytes_and_of_objects_come_together_in_order() -> None:
    fetched = RememberedRecords(whole(0, 2) + whole(2, 3))
    first = Run([], 2, NOON_MS, [batch_of(fetched)])
    second = Run(list(fetched.next_batch()), 5, NOON_MS)
    assert (len(first), len(second)) == (2, 3)
    assert [record.offset for record in together([first, second])] == [0, 1, 2, 3, 4]
    assert [record.offset for record in together([first])] == [0, 1]
    assert list(together([Run([], 9, NOON_MS)])) == []


def test_records_one_by_one_are_those_of_runs_of_both_kinds_and_those_that_came_alone() -> None:
    first, second = RememberedRecords(whole(0, 2)), list(RememberedRecords(whole(2, 3)).next_batch())
    alone = list(RememberedRecords(whole(5, 2)).next_batch())
    came = [Run([], 2, NOON_MS, [batch_of(first)]), Run(second, 5, NOON_MS), *alone]
    assert as_tuples(each_record(came)) == read_by_aiokafka(whole(0, 2) + whole(2, 3) + whole(5, 2))


def test_parts_of_several_fetches_become_one_sequence() -> None:
    first, second = RememberedRecords(whole(0, 3)), RememberedRecords(whole(3, 2))
    parts = [together([Run([], 0, NOON_MS, [batch_of(part)])]) for part in (first, second)]
    for joining in (parts, [parts[0][1:], parts[1]], [list(parts[0]), parts[1]], [parts[1]]):
        assert as_tuples(joined(joining)) == [record for part in joining for record in as_tuples(part)]


PLACE = TopicPartition("t", 0)


def fetched(data: bytes, *, start: int = 0, sign: Any) -> Any:
    deliver_whole_batches()
    return fetcher.PartitionRecords(
        PLACE, RememberedRecords(data), [], start, sign, None, True, fetcher.READ_UNCOMMITTED
    )


SIGNS = pytest.mark.parametrize("sign", [WholeBatches(), WholeBatches(raw={"t"})], ids=["objects", "bytes"])


def test_a_run_for_each_batch_and_the_position_behind_it() -> None:
    found = fetched(whole(0, 2, 3) + whole(2, 1), sign=WholeBatches())
    first = next(found)
    assert as_tuples(together([first])) == read_by_aiokafka(whole(0, 2))
    assert (found.next_fetch_offset, first.next_offset, len(first), first.batches) == (2, 2, 2, None)
    assert as_tuples(together([next(found)])) == [(2, NOON_MS, b"k0", b"")]
    assert (found.next_fetch_offset, next(found, None)) == (3, None)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_plain_batches_are_one_run_and_others_one_each(codec: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = whole(0, 2) + whole(2, 3, codec) + whole(5, 2, codec) + whole(7, 1, CODECS["lz4"]) + whole(8, 4)
    fetching = fetched(data, sign=WholeBatches(raw={"t"}))
    monkeypatch.setattr(wire, "BUILT", True)
    found = list(fetching)
    is_plain = codec in {CODECS["none"], CODECS["lz4"]}
    assert [run.next_offset for run in found] == ([12] if is_plain else [2, 5, 7, 12])
    assert [run.timestamp - NOON_MS for run in found] == ([3] if is_plain else [1, 2, 1, 3])
    assert [len(run) for run in found] == ([12] if is_plain else [2, 3, 2, 5])
    assert as_tuples(together(found)) == read_by_aiokafka(data)


def test_a_run_of_plain_batches_ends_where_it_is_enough_for_one_piece_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "RUN_RECORDS", 3)
    data = whole(0, 2) + whole(2, 2) + whole(4, 5) + whole(9, 1)
    found = fetched(data, sign=WholeBatches(raw={"t"}))
    monkeypatch.setattr(wire, "BUILT", True)
    places = [(run.next_offset, found.next_fetch_offset, len(run)) for run in found]
    assert places == [(4, 4, 4), (9, 9, 5), (10, 10, 1)]


@SIGNS
def test_a_fetch_that_begins_inside_a_batch_leaves_out_what_is_before(sign: WholeBatches) -> None:
    (run,) = fetched(whole(10, 3), start=11, sign=sign)
    assert [record.offset for record in together([run])] == [11, 12]


@SIGNS
def test_a_damaged_batch_is_refused(sign: WholeBatches) -> None:
    data = bytearray(whole(0, 2))
    data[-2] ^= 1
    with pytest.raises(CorruptRecordException):
        next(fetched(bytes(data), sign=sign))


def test_consumers_without_the_sign_are_served_record_by_record() -> None:
    (first, second) = fetched(whole(0, 2), sign=None)
    assert (first.topic, first.value, second.offset) == ("t", b"", 1)


def test_the_fetcher_of_this_process_remembers_bytes_where_they_are_read_in_c() -> None:
    deliver_whole_batches()
    assert fetcher.MemoryRecords is (RememberedRecords if BUILT else MemoryRecords)
