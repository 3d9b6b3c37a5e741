"""Batches written in one go are those that aiokafka's builder makes, and what is read is what was written.

Where no C compiler was there, the writing in Python that stands in for it is looked at.
"""

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from agents import record_batches
from agents.record_batches import Form, WrittenBatch, written
from connectors.kafka_producer import pack
from pipeline.outputs import HEADER_BYTES
from tests.wire_reading import WireRecords
from tests.wire_writing import Pair, write_in_python, write_records

NOON_MS = 1_790_000_000_000
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
GZIP = 1

# Sizes on both sides of where their varints get longer, and of batches.
_part = st.one_of(
    st.none(),
    st.binary(max_size=12),
    st.text(max_size=8).map(str.encode),
    st.sampled_from([0, 1, 63, 64, 200, 8191, 8192, 70_000]).map(lambda size: b"x" * size),
)
_pairs = st.lists(st.tuples(_part, _part), max_size=12)
_max_bytes = st.one_of(st.integers(0, 400), st.sampled_from([8_300, 100_000, 1 << 20]))


@pytest.fixture(autouse=True, scope="module")
def _stand_in() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        built_in = sys.modules[DefaultRecordBatchBuilder.__module__]
        patch.setattr(built_in, "lz4_encode", pack)
        patch.setattr(record_batches, "native", SimpleNamespace(write_records=write_records))
        patch.setattr(record_batches, "time", SimpleNamespace(time_ns=lambda: NOON_MS * 1_000_000))
        yield


def by_aiokafka(pairs: list[Pair], max_bytes: int, codec: int) -> list[Any]:
    batches: list[Any] = []
    for key, value in pairs:
        if not batches or batches[-1].append(key=key, value=value, timestamp=NOON_MS) is None:
            batches.append(BatchBuilder(max_bytes, codec))
            assert batches[-1].append(key=key, value=value, timestamp=NOON_MS) is not None
    return batches


def wholes(batches: list[Any]) -> list[bytes]:
    for number, batch in enumerate(batches):
        batch.close()
        batch._set_producer_state(4_000_000_000 + number, 7, 100 * number)
    return [bytes(batch._build()) for batch in batches]


def read(whole: bytes) -> list[tuple[int, int, bytes | None, bytes | None]]:
    batch = DefaultRecordBatch(whole)
    assert batch.validate_crc()
    return [(record.offset, record.timestamp, record.key, record.value) for record in batch]


@given(_pairs, _max_bytes, st.sampled_from([codec for codec in CODECS.values() if codec != GZIP]))
def test_the_batches_are_those_of_aiokafka_to_the_byte(pairs: list[Pair], max_bytes: int, codec: int) -> None:
    ours, theirs = list(written(pairs, Form(max_bytes, codec))), by_aiokafka(pairs, max_bytes, codec)
    assert [batch.record_count() for batch in ours] == [batch.record_count() for batch in theirs]
    assert [batch.size() for batch in ours] == [batch.size() for batch in theirs]
    assert wholes(ours) == wholes(theirs)
    assert [batch.size() for batch in ours] == [batch.size() for batch in theirs]


@given(_pairs, _max_bytes, st.sampled_from(list(CODECS.values())))
def test_what_is_read_is_what_was_written(pairs: list[Pair], max_bytes: int, codec: int) -> None:
    found = [read(whole) for whole in wholes(list(written(pairs, Form(max_bytes, codec))))]
    assert [(key, value) for records in found for _, _, key, value in records] == pairs
    for records in found:
        assert [(offset, at_ms) for offset, at_ms, _, _ in records] == [(n, NOON_MS) for n in range(len(records))]


@given(_pairs, st.integers(0, 14), st.one_of(st.integers(-5, 400), _max_bytes))
def test_the_records_lie_where_they_are_looked_at_in_place(pairs: list[Pair], start: int, room_bytes: int) -> None:
    records, following = write_records(pairs, start, room_bytes)
    assert (records, following) == write_in_python(pairs, start, room_bytes)
    taken = pairs[start:following]
    seen = WireRecords([(records, 0, len(records), 40, NOON_MS, len(taken))])
    assert [(record.offset, record.timestamp) for record in seen] == [(40 + n, NOON_MS) for n in range(len(taken))]
    assert [(record.key, record.value) for record in seen] == taken


def test_a_place_that_takes_three_bytes_is_written_as_one() -> None:
    pairs: list[Pair] = [(b"%d" % number, None) for number in range(20_000)]
    (batch,) = written(pairs, Form(1 << 20, 0))
    (theirs,) = by_aiokafka(pairs, 1 << 20, 0)
    assert wholes([batch]) == wholes([theirs])


@pytest.mark.parametrize("least", [0, -1, HEADER_BYTES, HEADER_BYTES + 1])
def test_a_batch_without_room_takes_one_record(least: int) -> None:
    assert [batch.record_count() for batch in written([(None, None)] * 3, Form(least, 0))] == [1, 1, 1]


@pytest.mark.parametrize(
    "wrong", [(b"k", "text"), ("k", b"v"), (b"k",), [b"k", b"v"], (b"k", b"v", b""), None, (1, b"")]
)
def test_what_is_no_pair_of_bytes_is_refused(wrong: Any) -> None:
    for write in (write_records, write_in_python):
        with pytest.raises(TypeError):
            write([(b"k", b"v"), wrong], 0, 1000)


def test_there_is_nothing_before_the_first_and_nothing_behind_the_last() -> None:
    for write in (write_records, write_in_python):
        assert write([(b"k", b"v")], 1, 1000) == (b"", 1)
        with pytest.raises(IndexError):
            write([(b"k", b"v")], -1, 1000)


def test_a_batch_that_is_asked_again_is_the_same_bytes() -> None:
    (batch,) = written([(b"k", b"v" * 500)], Form(1 << 20, 3))
    assert isinstance(batch, WrittenBatch)
    assert batch._build() is batch._build()
