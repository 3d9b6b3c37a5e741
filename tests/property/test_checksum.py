"""The checksum by the processor's instruction is that of the tables."""

from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from connectors.wire import checksum_of


@given(st.binary(max_size=300), st.integers(0, 9), st.integers(0, 70_000))
def test_it_is_the_same_sum(data: bytes, skipped: int, more: int) -> None:
    whole = data + bytes(range(256)) * (more // 256)
    assert checksum_of(memoryview(whole)[skipped:]) == calc_crc32c(whole[skipped:])
