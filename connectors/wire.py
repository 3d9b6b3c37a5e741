"""Whole record batches out of an aiokafka consumer: no object per record, as bytes where they are read in C.

A consumer gets one `Run` per batch on the wire from `getmany`, and `max_records` counts them, where `key_deserializer`
is a `WholeBatches`, or where the topic is in `COALESCED`. Half of a reader's time was aiokafka's own objects (2 µs a
record; 0.4 µs as a list of what its compiled classes make, 0.05 µs as bytes).

aiokafka keeps the bytes of a fetch inside those classes; `RememberedRecords` stands in for the outermost of them and
keeps them in reach. Everything about a batch (checksum, transaction, codec) is still read by aiokafka.

Private names of a pinned package: `tests/contract/test_transport.py` and `tests/contract/test_coalescing.py` hold them.
"""

from collections.abc import Callable, Iterator, Sequence, Set
from struct import Struct
from typing import Any, cast

from aiokafka import codec
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from pipeline.copies import Batch
from pipeline.per_record import BUILT, native
from pipeline.state import SourceRecord

# Where things stand in a batch of message format 2: its length counts from behind itself; records follow the header.
_LENGTH, _MAGIC, _CHECKSUM, _COUNT = Struct(">8xi"), Struct(">16xb"), Struct(">17xI"), Struct(">57xi")
LENGTH_ENDS, CHECKED_FROM, HEADER_BYTES, FORMAT = 12, 21, 61, 2


def checksum_of(data: Any) -> int:
    """CRC-32C, by the processor's own instruction where C was built and there is one."""
    found = native.crc32c(data) if BUILT else None
    return int(calc_crc32c(data)) if found is None else found


def _lz4_decoded(packed: Any) -> bytes:
    """At half the cost where C was built: the library does not know how much there will be."""
    found = native.lz4_decoded(packed) if BUILT else None
    return cast("bytes", codec.lz4_decode(packed)) if found is None else found


_DECODE: dict[int, Callable[[Any], bytes]] = {
    1: codec.gzip_decode,
    2: codec.snappy_decode,
    3: _lz4_decoded,
    4: codec.zstd_decode,
}
LOG_APPEND_TIME = 1

# Topics whose every consumer in this process gets Runs, for Faust makes its consumers itself; of `RAW` ones as bytes.
COALESCED: set[str] = set()
RAW: set[str] = set()


class Run:
    """One wire batch: its records, or as `batch` their bytes, and the offset that follows it."""

    __slots__ = ("batch", "next_offset", "records", "timestamp")

    def __init__(self, records: list[Any], next_offset: int, timestamp: int, batch: Batch | None = None) -> None:
        self.records = records
        self.batch = batch
        self.next_offset = next_offset
        self.timestamp = timestamp

    def __len__(self) -> int:
        return len(self.records) if self.batch is None else self.batch[-1]


class WholeBatches:
    """The sign by which consumers that want Runs are known; of `raw` topics as bytes, where C was built."""

    def __init__(self, raw: Set[str] = frozenset()) -> None:
        self.raw = raw

    def __call__(self, key: bytes | None) -> bytes | None:
        """Called for nothing: there are no records one by one."""
        return key


class RememberedRecords:
    """The records of one partition in one fetch, as `MemoryRecords`; `bytes_of` the batch that came last."""

    def __init__(self, data: bytes) -> None:
        self._data, self._records = data, MemoryRecords(data)
        self._at = self._next = 0
        self.has_next = self._records.has_next
        self.size_in_bytes = self._records.size_in_bytes

    def next_batch(self) -> Any:
        self._at = self._next
        batch = self._records.next_batch()
        if batch is not None:
            self._next = self._at + LENGTH_ENDS + _LENGTH.unpack_from(self._data, self._at)[0]
        return batch

    def is_whole(self, batch: Any) -> bool:
        """Whether the batch has the checksum that it says it has."""
        data, at = self._data, self._at
        if _MAGIC.unpack_from(data, at)[0] != FORMAT:
            return bool(batch.validate_crc())
        return bool(checksum_of(memoryview(data)[at + CHECKED_FROM : self._next]) == _CHECKSUM.unpack_from(data, at)[0])

    def bytes_of(self, batch: Any) -> Batch | None:
        """None when its records must be read one by one: an old format, or timestamps that are the broker's."""
        data, at = self._data, self._at
        if _MAGIC.unpack_from(data, at)[0] != FORMAT or batch.timestamp_type == LOG_APPEND_TIME:
            return None
        start, stop, count = at + HEADER_BYTES, self._next, _COUNT.unpack_from(data, at)[0]
        if batch.compression_type:
            data = bytes(_DECODE[batch.compression_type](memoryview(data)[start:stop]))
            start, stop = 0, len(data)
        return data, start, stop, batch.base_offset, batch.first_timestamp, count


def records_of(batches: list[Batch]) -> Any:
    """The records of these batches as one sequence. Raises CorruptRecordException."""
    try:
        return native.WireRecords(batches)
    except ValueError as error:
        raise CorruptRecordException(str(error)) from None


def together(runs: Sequence[Run]) -> Any:
    """The records of these runs as one sequence, without an object for each where all are bytes."""
    batches = [run.batch for run in runs if run.batch is not None]
    if len(batches) == len(runs):
        return records_of(batches)
    records: list[Any] = []
    for run in runs:
        records.extend(run.records if run.batch is None else records_of([run.batch]))
    return records


def joined(parts: Sequence[Sequence[SourceRecord]]) -> Sequence[SourceRecord]:
    """What `together` gave of several fetches, or parts of that, as one sequence."""
    if len(parts) == 1:
        return parts[0]
    if BUILT and all(isinstance(part, native.WireRecords) for part in parts):
        return native.WireRecords.joined(list(parts))  # type: ignore[arg-type]
    return [record for part in parts for record in part]


_one_by_one = fetcher.PartitionRecords._unpack_records  # noqa: SLF001


def _unpack_records(self: Any) -> Iterator[Any]:
    """A Run per wire batch."""
    topic, sign = self._tp.topic, self._key_deserializer
    if not isinstance(sign, WholeBatches) and topic not in COALESCED:
        yield from _one_by_one(self)
        return
    committed_only = self._isolation_level == fetcher.READ_COMMITTED
    raw = BUILT and topic in (sign.raw if isinstance(sign, WholeBatches) else RAW)
    while self._records.has_next():
        batch = self._records.next_batch()
        if self._check_crcs and not _is_whole(self._records, batch):
            raise CorruptRecordException(f"Invalid CRC - {self._tp}")
        aborted = False
        if committed_only and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            aborted = batch.is_transactional and batch.producer_id in self._aborted_producers
        records, as_bytes = [], None
        if not batch.is_control_batch and not aborted:
            begun = batch.base_offset < self.next_fetch_offset  # the fetch began inside this batch
            as_bytes = self._records.bytes_of(batch) if raw and not begun else None
            if as_bytes is None:
                records = list(batch)
            if begun:
                records = [record for record in records if record.offset >= self.next_fetch_offset]
        self.next_fetch_offset = batch.next_offset
        yield Run(records, batch.next_offset, batch.max_timestamp, as_bytes)


def _is_whole(records: Any, batch: Any) -> bool:
    return bool(records.is_whole(batch) if isinstance(records, RememberedRecords) else batch.validate_crc())


def deliver_whole_batches() -> None:
    """Once per process, before the first fetch; consumers that did not ask for it are served as before."""
    fetcher.PartitionRecords._unpack_records = _unpack_records  # noqa: SLF001
    if BUILT:
        fetcher.MemoryRecords = RememberedRecords
