"""Records looked at where they lie are those that aiokafka reads out of the same bytes; what is broken is refused.

Where no C compiler was there, the reading in Python that stands in for it is looked at.
"""

import gc
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from pipeline.copies import Batch
from pipeline.counted import CountedState
from pipeline.state import SourceRecord
from tests.property.test_native import KEYS, T0, bodies
from tests.wire_reading import WireRecords, read_batches

HEADER_BYTES = 61

_bytes = st.one_of(st.none(), st.binary(max_size=200))
_headers = st.lists(st.tuples(st.text(max_size=3), _bytes), max_size=2)
_record = st.tuples(st.integers(-(10**6), 10**9), _bytes, _bytes, _headers)
_batches = st.lists(st.tuples(st.integers(0, 2**40), st.lists(_record, min_size=1, max_size=5)), max_size=4)


def built(base_offset: int, records: list[Any]) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 24)
    for number, (later_ms, key, value, headers) in enumerate(records):
        builder.append(number, T0 + later_ms, key, value, headers)
    whole = builder.build()
    whole[:8] = base_offset.to_bytes(8, "big")
    return bytes(whole)


def batch_of(whole: bytes) -> Batch:
    seen = DefaultRecordBatch(whole)
    count = int.from_bytes(whole[57:61], "big")
    return whole, HEADER_BYTES, len(whole), seen.base_offset, seen.first_timestamp, count


def as_tuples(records: Any) -> list[tuple[int, int, bytes | None, bytes | None]]:
    return [(record.offset, record.timestamp, record.key, record.value) for record in records]


@given(_batches)
def test_the_records_are_those_that_aiokafka_reads(batches: list[tuple[int, list[Any]]]) -> None:
    wholes = [built(*batch) for batch in batches]
    ours = WireRecords([batch_of(whole) for whole in wholes])
    theirs = as_tuples(record for whole in wholes for record in DefaultRecordBatch(whole))
    assert as_tuples(ours) == theirs == as_tuples(read_batches([batch_of(whole) for whole in wholes]))
    assert len(ours) == len(theirs)


@given(_batches, st.slices(12))
def test_they_are_a_sequence_like_any_other(batches: list[tuple[int, list[Any]]], part: slice) -> None:
    ours = WireRecords([batch_of(built(*batch)) for batch in batches])
    assert as_tuples(ours[part]) == as_tuples(ours)[part]
    if len(ours):
        assert as_tuples([ours[-1]]) == as_tuples(ours)[-1:]
    with pytest.raises(IndexError):
        ours[len(ours)]


@given(st.lists(_record, min_size=1, max_size=4), st.data())
def test_bytes_that_are_no_batch_are_refused(records: list[Any], data: st.DataObject) -> None:
    buffer, start, stop, base_offset, base_ms, count = batch_of(built(0, records))
    wrong = data.draw(st.sampled_from(["cut", "longer", "more", "fewer", "noise"]))
    if wrong == "cut":
        stop = data.draw(st.integers(start, stop - 1))
    elif wrong == "longer":
        buffer, stop = buffer + b"\0", stop + 1
    elif wrong in {"more", "fewer"}:
        count += 1 if wrong == "more" else -1
    else:
        buffer = buffer[:start] + data.draw(st.binary(min_size=stop - start, max_size=stop - start))
    batch = (buffer, start, stop, base_offset, base_ms, count)
    if wrong != "noise":
        with pytest.raises(ValueError, match="not a batch"):
            WireRecords([batch])
        return
    try:  # noise may be a record by chance; then it lies within its bytes
        for record in WireRecords([batch]):
            assert len(record.key or b"") + len(record.value or b"") < stop - start
    except ValueError:
        return


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.one_of(st.none(), bodies()), st.integers(0, 3_000)), max_size=12))
def test_counted_from_the_wire_is_counted_from_objects(drawn: list[tuple[bytes, bytes | None, int]]) -> None:
    at_ms = 0
    records: list[Any] = []
    for key, value, later_ms in drawn:
        at_ms += later_ms
        records.append((at_ms, key, value, []))
    whole = built(7, records) if records else None
    by_object, by_wire = CountedState("raw", 0), CountedState("raw", 0)
    objects: list[SourceRecord] = list(DefaultRecordBatch(whole)) if whole else []
    by_object.count(objects)
    by_wire.count(WireRecords([batch_of(whole)] if whole else []))
    left, right = by_object.take(), by_wire.take()
    assert left == right
    assert by_object.tallies() == by_wire.tallies()


def test_the_bytes_live_as_long_as_somebody_may_look() -> None:
    records = WireRecords([batch_of(bytes(bytearray(built(0, [(0, b"k", b"v" * 5000, [])]))))])
    gc.collect()
    assert records[0].value == b"v" * 5000
