"""Frames that any reader of LZ4 takes, whatever the data and however much of it."""

import random

import pytest
from aiokafka.codec import lz4_decode

from connectors.lz4_frame import lz4_frame

KB = 1 << 10
LENGTHS = [
    0,
    1,
    5,
    12,
    13,
    300,
    64 * KB,
    64 * KB + 1,
    256 * KB,
    256 * KB + 1,
    1024 * KB,
    1024 * KB + 1,
    4096 * KB,
    9000 * KB,
]


@pytest.mark.parametrize("size", LENGTHS)
def test_text_comes_back_and_is_smaller(size: int) -> None:
    data = (b'{"clicks":1,"spend_micros":12345}' * (size // 33 + 1))[:size]
    frame = lz4_frame(data)
    assert lz4_decode(frame) == data
    assert len(frame) < size / 10 + 100


@pytest.mark.parametrize("size", LENGTHS)
def test_what_cannot_be_compressed_is_stored_and_comes_back(size: int) -> None:
    data = random.Random(size).randbytes(size)
    frame = lz4_frame(data)
    assert lz4_decode(frame) == data
    assert len(frame) <= size + 7 + 4 * (size // (4096 * KB) + 1) + 4


def test_a_block_is_said_to_be_no_larger_than_it_must() -> None:
    """Readers make room for the largest block a frame announces: its code is 4 to 7 in the upper half of this byte."""
    assert [
        lz4_frame(bytes(size))[5] >> 4 for size in (100, 64 * KB, 64 * KB + 1, 1024 * KB, 1025 * KB, 9000 * KB)
    ] == [4, 4, 5, 6, 7, 7]
