"""The checksum by the processor's instruction is that of the tables; and a batch that was hurt is found out."""

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from connectors.wire import RememberedRecords, checksum_of


@given(st.binary(max_size=300), st.integers(0, 9), st.integers(0, 70_000))
def test_it_is_the_same_sum(data: bytes, skipped: int, more: int) -> None:
    whole = data + bytes(range(256)) * (more // 256)
    assert checksum_of(memoryview(whole)[skipped:]) == calc_crc32c(whole[skipped:])


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5), st.integers(0, 10_000), st.integers(1, 255))
def test_a_batch_is_whole_until_a_byte_of_it_is_another(values: list[bytes], at: int, change: int) -> None:
    builder = BatchBuilder(1 << 20, 0)
    for value in values:
        builder.append(key=None, value=value, timestamp=1)
    builder.close()
    data = bytearray(builder._build())
    records = RememberedRecords(bytes(data))
    assert records.is_whole(records.next_batch())
    data[21 + at % (len(data) - 21)] ^= change  # behind the checksum, which does not stand for what is before it
    records = RememberedRecords(bytes(data))
    assert not records.is_whole(records.next_batch())
