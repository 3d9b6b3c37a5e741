"""Whole batches of records as bytes, for aiokafka's producer: written in C in one call, not a record at a time.

`WrittenBatch` stands in for aiokafka's `BatchBuilder`, a private interface of a pinned package:
`tests/contract/test_record_batches.py` holds it. Codec, level and checksum are aiokafka's own functions.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from struct import Struct
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer, codec
from aiokafka.producer.message_accumulator import BatchBuilder

from connectors.kafka_producer import pack
from connectors.wire import FORMAT, LENGTH_ENDS, RUN_RECORDS, checksum_of, records_of
from pipeline.outputs import HEADER_BYTES, Pairs
from pipeline.per_record import native
from pipeline.state import SourceRecord

# Message format 2. Two parts because the checksum stands between them, and is that of the second and all behind it.
_FRONT = Struct(">qiibI")  # first offset, length from behind itself, epoch of the leader, format, checksum
_FIRST = Struct(">q")  # what of the front is not known before the broker has the batch
_REST = Struct(">hiqqqhii")  # attributes, last place, first and last ms, producer, its epoch, sequence, records
_NO_LEADER_EPOCH = -1
LZ4 = 3  # what producers of ours use
_ENCODE: dict[int, Callable[[bytes], bytes]] = {
    1: codec.gzip_encode,
    2: codec.snappy_encode,
    LZ4: pack,
    4: codec.zstd_encode,
}


class Form(NamedTuple):
    """What a producer wants of its batches."""

    max_bytes: int  # with the header, before compression: a batch stays below, unless one record alone does not
    codec: int  # of the attributes of message format 2; 0: none


def form_of(producer: Any) -> Form | None:
    """None where only aiokafka's own builder will do.

    So it is for a producer that has serializers or transactions, for any other class, and where there is no C.
    """
    if native is None or not isinstance(producer, AIOKafkaProducer):
        return None
    accumulator, transactions = producer._message_accumulator, producer._txn_manager  # noqa: SLF001
    if producer._key_serializer or producer._value_serializer:  # noqa: SLF001
        return None
    if transactions is not None and transactions.transactional_id is not None:
        return None
    return Form(accumulator._batch_size, accumulator._compression_type)  # noqa: SLF001


class WrittenBatch(BatchBuilder):  # type: ignore[misc]
    """A closed batch. `records`: their bytes in message format 2, uncompressed unless `packed`, all as of `at_ms`."""

    def __init__(self, records: bytes, count: int, at_ms: int, codec: int, *, packed: bool = False) -> None:
        self._records, self._codec, self._at_ms, self._packed = records, codec, at_ms, packed
        self._relative_offset, self._closed = count, True
        self._producer = (-1, -1, 0)
        self._buffer: bytearray | None = None

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        self._producer = (producer_id, producer_epoch, base_sequence)

    def size(self) -> int:
        return HEADER_BYTES + len(self._records) if self._buffer is None else len(self._buffer)

    def _build(self) -> bytearray:
        """Once; who asks again gets the same."""
        if self._buffer is None:
            count, at_ms = self._relative_offset, self._at_ms
            records = self._records
            if self._codec and not self._packed:
                records = _ENCODE[self._codec](records)
            rest = _REST.pack(self._codec, count - 1, at_ms, at_ms, *self._producer, count)
            self._buffer = whole = bytearray().join((bytes(_FRONT.size), rest, records))
            checksum = checksum_of(memoryview(whole)[_FRONT.size :])
            _FRONT.pack_into(whole, 0, 0, len(whole) - LENGTH_ENDS, _NO_LEADER_EPOCH, FORMAT, checksum)
            self._records = b""
        return self._buffer


def written(pairs: Pairs, form: Form) -> Iterator[WrittenBatch]:
    """The pairs in order, each in the first batch that has room; a batch is written when it is asked for."""
    room_bytes = form.max_bytes - HEADER_BYTES - 1
    if not isinstance(pairs, list):
        if pairs.room_bytes == room_bytes and form.codec == LZ4:
            for records, count, packed in pairs.drain():
                yield WrittenBatch(records, count, time.time_ns() // 1_000_000, form.codec, packed=packed)
            return
        pairs = list(pairs)  # they were cut for another producer
    place = 0
    while place < len(pairs):
        start = place
        records, place = native.write_records(pairs, start, room_bytes)
        yield WrittenBatch(records, place - start, time.time_ns() // 1_000_000, form.codec)


def records_at(batch: Any, offset: int) -> Sequence[SourceRecord] | None:
    """The records of an acknowledged batch as a fetch would bring them; `offset`: of the first.

    None for what only a fetch can bring: another builder's batch, or one that is not plain.
    """
    if not isinstance(batch, WrittenBatch):
        return None
    sent = memoryview(batch._build())  # noqa: SLF001 - copied, for the producer may still hold it
    batches, *_ = native.plain_batches(_FIRST.pack(offset) + sent[_FIRST.size :], 0, offset, RUN_RECORDS)
    return records_of(batches) if batches else None
