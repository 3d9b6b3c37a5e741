"""Record batches read together in C are those that aiokafka reads one by one; what it would refuse is left to it.

Where no C compiler was there, the reading in Python that stands in for it is looked at.
"""

from typing import Any

import cramjam
import pytest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from tests.property.test_wire_records import as_tuples
from tests.wire_reading import WireRecords, plain_batches, read_plain_batches

T0, MANY = 1_790_000_000_000, 1 << 30
NONE, GZIP, LZ4, HEADER_BYTES = 0, 1, 3, 61
CONTROL, TRANSACTIONAL, BROKER_TIME = 32, 16, 8

_bytes = st.one_of(
    st.none(), st.binary(max_size=40), st.builds(bytes.__mul__, st.binary(max_size=9), st.integers(0, 900))
)
_record: st.SearchStrategy[Any] = st.tuples(st.integers(-1000, 10**9), _bytes, _bytes, st.just([]))
_batch = st.tuples(
    st.integers(0, 5), st.sampled_from([NONE, LZ4, LZ4, GZIP]), st.lists(_record, min_size=1, max_size=9)
)


def built(base_offset: int, codec: int, records: list[Any]) -> bytes:
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 24)
    for number, (later_ms, key, value, headers) in enumerate(records):
        builder.append(number, T0 + later_ms, key, value, headers)
    whole = builder.build()
    whole[:8] = base_offset.to_bytes(8, "big")
    return bytes(whole)


def signed(batch: bytes, **changes: Any) -> bytes:
    """The batch with another `payload` or `attributes`, and a checksum that is right."""
    payload = changes.get("payload", batch[HEADER_BYTES:])
    attributes = changes.get("attributes", int.from_bytes(batch[21:23], "big"))
    checked = attributes.to_bytes(2, "big") + batch[23:HEADER_BYTES] + payload
    length = (len(checked) + 9).to_bytes(4, "big")
    crc = int(calc_crc32c(checked)).to_bytes(4, "big")
    return b"".join((batch[:8], length, batch[12:17], crc, checked))


def fetch(drawn: list[tuple[int, int, list[Any]]]) -> tuple[bytes, list[tuple[int, int, int]]]:
    """Bytes of batches with gaps between them, and of each its codec, next offset and end."""
    data, offset, seen = b"", 0, list[tuple[int, int, int]]()
    for gap, codec, records in drawn:
        data += built(offset + gap, codec, records)
        offset += gap + len(records)
        # Of small records aiokafka writes batches uncompressed, where that is no longer.
        kept = int.from_bytes(data[(seen[-1][2] if seen else 0) + 21 :][:2], "big")
        seen.append((kept, offset, len(data)))
    return data, seen


def read_by_aiokafka(data: bytes) -> list[tuple[int, int, bytes | None, bytes | None]]:
    records, found = MemoryRecords(data), []
    while records.has_next():
        found += as_tuples(records.next_batch())
    return found


@given(st.lists(_batch, max_size=5), st.integers(0, 12))
def test_the_records_of_the_batches_up_to_the_first_that_is_not_plain(drawn: list[Any], cut: int) -> None:
    data, seen = fetch(drawn)
    plain = 0
    while plain < len(seen) and seen[plain][0] != GZIP:
        plain += 1
    ends = seen[plain - 1][2] if plain else 0
    whole = data + data[: min(cut, len(data))]  # a fetch may end in the middle of a batch
    batches, at, next_offset, newest_ms = plain_batches(whole, 0, 0, MANY)
    assert read_plain_batches(whole, 0, 0, MANY)[1:] == (at, next_offset, newest_ms)
    assert (len(batches), at, next_offset) == (plain, ends, seen[plain - 1][1] if plain else 0)
    records = as_tuples(WireRecords(batches))
    assert records == read_by_aiokafka(data[:ends])
    assert newest_ms == max((record[1] for record in records), default=-1)


@given(st.lists(_batch, min_size=1, max_size=5), st.integers(0, 20))
def test_a_fetch_is_read_on_from_where_it_was_left(drawn: list[Any], most: int) -> None:
    data, _ = fetch([(gap, NONE if codec == GZIP else codec, records) for gap, codec, records in drawn])
    found, at, offset = [], 0, 0
    while at < len(data):
        batches, at, offset, _ = plain_batches(data, at, offset, most + 1)
        counts = [batch[-1] for batch in batches]
        assert sum(counts[:-1]) <= most  # the last is the one that brings it there
        found += as_tuples(WireRecords(batches))
    assert found == read_by_aiokafka(data)


@given(st.lists(_batch, min_size=1, max_size=5), st.integers(0, 2_000))
def test_so_many_bytes_of_records_are_enough(drawn: list[Any], most: int) -> None:
    data, _ = fetch([(gap, NONE if codec == GZIP else codec, records) for gap, codec, records in drawn])
    found = plain_batches(data, 0, 0, MANY, most + 1)
    assert found[1:] == read_plain_batches(data, 0, 0, MANY, most + 1)[1:]
    sizes = [batch[2] - batch[1] for batch in found[0]]
    assert sum(sizes[:-1]) <= most  # the last is the one that brings it there
    assert found[1] == len(data) or sum(sizes) > most


@given(_batch, st.integers(0, 200), st.integers(1, 255))
def test_a_damaged_batch_is_never_taken(drawn: Any, place: int, change: int) -> None:
    data = bytearray(built(3, *drawn[1:]))
    place %= len(data)
    data[place] ^= change
    if place >= 8:  # the base offset is not in the checksum, nor the epoch of the leader: those may be anything
        batches, at, *_ = plain_batches(bytes(data), 0, 0, MANY)
        assert (batches, at) == ([], 0) or 12 <= place < 16


@pytest.mark.parametrize("attributes", [CONTROL, TRANSACTIONAL, BROKER_TIME, 64, GZIP, 2, 4, 5])
def test_what_needs_more_than_reading_is_left_to_aiokafka(attributes: int) -> None:
    batch = built(0, NONE, [(0, b"k", b"v", [])])
    assert plain_batches(signed(batch), 0, 0, MANY)[1] == len(batch)
    assert plain_batches(signed(batch, attributes=attributes), 0, 0, MANY)[:2] == ([], 0)


def test_a_batch_in_whose_middle_the_fetch_begins_is_left_to_aiokafka() -> None:
    batch = built(5, NONE, [(0, b"k", b"v", [])] * 3)
    assert plain_batches(batch, 0, 5, MANY)[1] == len(batch)
    assert plain_batches(batch, 0, 6, MANY)[:2] == ([], 0)


# -- frames ---------------------------------------------------------------------------------------------------------


def unpacked(payload: bytes) -> bytes | None:
    """What C makes of this LZ4 frame; None where it leaves it to the library."""
    batch = signed(built(0, NONE, [(0, b"k", b"v", [])]), payload=payload, attributes=LZ4)
    (batches, *_) = plain_batches(batch, 0, 0, MANY)
    return batches[0][0][slice(*batches[0][1:3])] if batches else None


_content = st.one_of(
    st.binary(max_size=3_000),
    st.builds(bytes.__mul__, st.binary(max_size=40), st.integers(0, 5_000)),
    st.lists(st.sampled_from([b"campaign", b"spend_micros", b'":', b"0", b"17"]), max_size=3_000).map(b"".join),
)


@given(_content, st.integers(0, 9), st.booleans(), st.booleans())
def test_frames_come_to_what_the_library_makes_of_them(content: bytes, level: int, linked: bool, sums: bool) -> None:
    packer = cramjam.lz4.Compressor(level=level, content_checksum=sums, block_linked=linked)
    packer.compress(content)
    assert unpacked(bytes(packer.finish())) == content


@given(_content, st.data())
def test_a_frame_that_is_broken_is_left_to_the_library_or_comes_to_the_same(
    content: bytes, data: st.DataObject
) -> None:
    packer = cramjam.lz4.Compressor(level=1, content_checksum=False, block_linked=False)
    packer.compress(content)
    frame = bytearray(packer.finish())
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    frame = frame[: data.draw(st.integers(0, len(frame)))] if data.draw(st.booleans()) else frame
    ours = unpacked(bytes(frame))
    try:
        theirs = bytes(cramjam.lz4.decompress(bytes(frame)))
    except cramjam.DecompressionError:
        return  # a checksum of the frame's own, say; what C read lies within its bounds, or this had ended
    assert ours in {None, theirs}


@given(st.binary(max_size=300))
def test_noise_is_no_frame(noise: bytes) -> None:
    unpacked(noise)
    unpacked(b"\x04\x22\x4d\x18\x60\x40\x82" + noise)


def test_a_frame_that_would_fill_the_memory_is_left_to_the_library() -> None:
    packer = cramjam.lz4.Compressor(level=1, content_checksum=False, block_linked=False)
    packer.compress(bytes(65 << 20))
    assert unpacked(bytes(packer.finish())) is None


def test_the_head_is_read_as_aiokafka_reads_it() -> None:
    whole = built(7, NONE, [(5, b"k", b"v", []), (2, b"k", b"v", [])])
    ((batch,), _, next_offset, newest_ms) = plain_batches(whole, 0, 0, MANY)
    theirs = DefaultRecordBatch(whole)
    assert batch[3:5] == (theirs.base_offset, theirs.first_timestamp)
    assert (next_offset, newest_ms) == (theirs.next_offset, theirs.max_timestamp)
