"""What C unpacks is what the library unpacks; what C does not know is left to the library, whatever the bytes."""

from typing import Any

import cramjam
import pytest
from aiokafka.codec import lz4_decode, lz4_encode
from hypothesis import given
from hypothesis import strategies as st

from pipeline.per_record import BUILT, native

# Text with repetitions near and far, of all lengths; and what cannot be compressed.
PIECES = st.one_of(
    st.binary(max_size=40), st.sampled_from([b"a", b"ab", b'"total_id":"meta:acc1:', b"0123456789abcdef" * 3])
)
TEXTS = st.lists(st.tuples(PIECES, st.sampled_from([1, 2, 17, 300])), max_size=12).map(
    lambda parts: b"".join(piece * times for piece, times in parts)
)
LARGE = st.builds(
    lambda text, size: (text * (size // (len(text) + 1) + 1))[:size],
    TEXTS,
    st.sampled_from([65_535, 65_536, 65_537, 300_000]),
)
HEAD, END = bytes.fromhex("04224d18604082"), bytes(4)


def by_library(frame: Any) -> bytes | None:
    """What stands in where there is no C."""
    if len(frame) < 7 or bytes(frame)[4] & ~16 != 0x60:
        return None
    try:
        return bytes(lz4_decode(frame))
    except cramjam.DecompressionError:
        return None


decoded = native.lz4_decoded if BUILT else by_library


def packed(text: bytes, **options: Any) -> bytes:
    compressor = cramjam.lz4.Compressor(level=1, **options)
    compressor.compress(text)
    return bytes(compressor.finish())


@given(st.one_of(TEXTS, LARGE), st.sampled_from([1, 9]))
def test_what_we_write_is_unpacked(text: bytes, level: int) -> None:
    assert decoded(lz4_encode(text, level)) == text
    assert decoded(memoryview(b"__" + lz4_encode(text, level))[2:]) == text


@given(st.one_of(TEXTS, LARGE), st.booleans(), st.booleans())
def test_other_frames_are_left_to_the_library(text: bytes, is_linked: bool, is_checked: bool) -> None:
    frame = packed(text, block_linked=is_linked, content_checksum=is_checked)
    assert decoded(frame) in ((text,) if not is_linked and not is_checked else (None,))


def test_every_size_of_blocks_is_known_and_blocks_without_a_checksum_are() -> None:
    block = bytes(cramjam.lz4.compress_block(b"text " * 99, store_size=False))
    for head in ("6040 82", "6050 fb", "6060 51", "6070 73"):
        frame = bytes.fromhex("04224d18" + head) + len(block).to_bytes(4, "little") + block + END
        assert decoded(frame) == b"text " * 99 == lz4_decode(frame)
    as_it_was = HEAD + (5 | 1 << 31).to_bytes(4, "little") + b"plain" + END
    assert decoded(as_it_was) == b"plain" == lz4_decode(as_it_was)


@given(TEXTS, st.integers(0, 200), st.integers(0, 255), st.booleans())
def test_a_frame_that_was_hurt_is_left_to_the_library(text: bytes, at: int, byte: int, is_cut: bool) -> None:
    frame = lz4_encode(text, 1)
    at %= len(frame)
    hurt = frame[:at] if is_cut else frame[:at] + bytes([byte]) + frame[at + 1 :]
    assert decoded(hurt) == (text if hurt == frame else None)


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            TEXTS.map(lambda text: bytes(cramjam.lz4.compress_block(text, store_size=False))),
        ),
        max_size=3,
    ),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3),
)
def test_hostile_blocks_give_what_the_library_makes_of_them_or_nothing(
    blocks: list[bytes], changes: list[tuple[int, int]]
) -> None:
    """Without checksums: whatever stands there is followed, and must lead nowhere."""
    body = bytearray(b"".join(len(block).to_bytes(4, "little") + block for block in blocks) + END)
    for at, byte in changes:
        body[at % len(body)] = byte
    frame = HEAD + bytes(body)
    found = decoded(frame)
    try:
        expected: bytes | None = lz4_decode(frame)
    except cramjam.DecompressionError:  # it is stricter about how a block may end
        expected = None
    assert found is None or expected is None or found == expected


@pytest.mark.parametrize("whole", [b"", b"\x04", HEAD, HEAD + b"\0\0\0", HEAD + END + b"\0", b"x" * 40])
def test_what_is_no_frame_is_left_to_the_library(whole: bytes) -> None:
    assert decoded(whole) is None
