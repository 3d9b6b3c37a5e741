"""Whole record batches out of an aiokafka consumer: no object per record, as bytes where they are read in C.

A consumer gets a `Run` of one or several batches from `getmany`, and `max_records` counts them, where its
`key_deserializer` is a `WholeBatches`, or where the topic is in `COALESCED`. Half of a reader's time was aiokafka's own
objects (2 µs a record; 0.4 µs as a list of what its compiled classes make, 0.05 µs as bytes), and a batch of few
records cost more than those: 9 µs to look at and unpack, now 1.4.

aiokafka keeps the bytes of a fetch inside those classes; `RememberedRecords` stands in for the outermost of them and
keeps them in reach. Plain batches that follow each other are checked and unpacked in C in one go; of every other one
checksum, transaction and codec are still read by aiokafka.

Private names of a pinned package: `tests/contract/test_transport.py` and `tests/contract/test_coalescing.py` hold them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from struct import Struct
from typing import Any

from aiokafka import codec
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from pipeline.copies import Batch
from pipeline.outputs import HEADER_BYTES
from pipeline.per_record import BUILT, native
from pipeline.state import SourceRecord

# Where things stand in a batch of message format 2: its length counts from behind itself; records follow the header.
_LENGTH, _MAGIC, _COUNT = Struct(">8xi"), Struct(">16xb"), Struct(">57xi")
LENGTH_ENDS, FORMAT = 12, 2


def checksum_of(data: Any) -> int:
    """CRC-32C, by the processor's own instruction where C was built and there is one."""
    return native.checksum(data) if BUILT else int(calc_crc32c(data))


_DECODE: dict[int, Callable[[Any], bytes]] = {
    1: codec.gzip_decode,
    2: codec.snappy_decode,
    3: codec.lz4_decode,
    4: codec.zstd_decode,
}
LOG_APPEND_TIME = 1

# Topics whose every consumer in this process gets Runs, for Faust makes its consumers itself; of `RAW` ones as bytes.
COALESCED: set[str] = set()
RAW: set[str] = set()


# A run of plain batches ends with the one that brings it here: so much is one piece of work for who counts, and stays
# in the processor's cache from unpacking to counting. Of 8 MB every page came from the kernel anew: six times the work.
RUN_RECORDS, RUN_BYTES = 20_000, 1 << 20


class Run:
    """What came one after the other: records, or as `batches` their bytes, and the offset that follows."""

    __slots__ = ("batches", "count", "next_offset", "records", "timestamp")

    def __init__(
        self, records: list[Any], next_offset: int, timestamp: int, batches: list[Batch] | None = None
    ) -> None:
        self.records = records
        self.batches = batches
        self.next_offset = next_offset
        self.timestamp = timestamp
        self.count = len(records) if batches is None else sum(batch[-1] for batch in batches)

    def __len__(self) -> int:
        return self.count


class WholeBatches:
    """The sign by which consumers that want Runs are known; of `raw` topics as bytes, where C was built.

    `run_bytes`: a run of several batches ends with the one that brings it there.
    """

    def __init__(self, raw: Set[str] = frozenset(), *, run_bytes: int = RUN_BYTES) -> None:
        self.raw, self.run_bytes = raw, run_bytes

    def __call__(self, key: bytes | None) -> bytes | None:
        """Called for nothing: there are no records one by one."""
        return key


class RememberedRecords:
    """The records of one partition in one fetch, as `MemoryRecords`; `bytes_of` the batch that came last."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = self._next = 0

    def size_in_bytes(self) -> int:
        return len(self._data)

    def has_next(self) -> bool:
        """A fetch may end in the middle of a batch."""
        left = len(self._data) - self._next - LENGTH_ENDS
        return left >= 0 and left >= _LENGTH.unpack_from(self._data, self._next)[0]

    def plain_run(self, next_offset: int, most_bytes: int) -> Run | None:
        """The plain batches that are next, if there is one and the fetch does not begin inside it."""
        batches, at, next_offset, newest_ms = native.plain_batches(
            self._data, self._next, next_offset, RUN_RECORDS, most_bytes
        )
        if not batches:
            return None
        self._next = at
        return Run([], next_offset, newest_ms, batches)

    def next_batch(self) -> Any:
        """As aiokafka reads it. Raises CorruptRecordException."""
        if not self.has_next():
            return None
        self._at = self._next
        self._next += LENGTH_ENDS + _LENGTH.unpack_from(self._data, self._at)[0]
        if self._next < self._at + LENGTH_ENDS:
            raise CorruptRecordException("a record batch with a length below zero")
        return MemoryRecords(self._data[self._at : self._next]).next_batch()

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
    if all(run.batches is not None for run in runs):
        return records_of([batch for run in runs for batch in run.batches or ()])
    records: list[Any] = []
    for run in runs:
        records.extend(run.records if run.batches is None else records_of(run.batches))
    return records


def each_record(fetched: Iterable[Any]) -> Iterator[SourceRecord]:
    """What `getmany` gave of a partition, record by record, whether this process gets its topic as Runs or not."""
    for one in fetched:
        yield from together([one]) if isinstance(one, Run) else (one,)


def joined(parts: Sequence[Sequence[SourceRecord]]) -> Sequence[SourceRecord]:
    """What `together` gave of several fetches, or parts of that, as one sequence."""
    if len(parts) == 1:
        return parts[0]
    if BUILT and all(isinstance(part, native.WireRecords) for part in parts):
        return native.WireRecords.joined(list(parts))  # type: ignore[arg-type]
    return [record for part in parts for record in part]


_one_by_one = fetcher.PartitionRecords._unpack_records  # noqa: SLF001


def _unpack_records(self: Any) -> Iterator[Any]:
    """Runs: of all plain batches together where they are wanted as bytes, else one a batch."""
    topic, sign = self._tp.topic, self._key_deserializer
    if not isinstance(sign, WholeBatches) and topic not in COALESCED:
        yield from _one_by_one(self)
        return
    committed_only = self._isolation_level == fetcher.READ_COMMITTED
    raw = BUILT and topic in (sign.raw if isinstance(sign, WholeBatches) else RAW)
    run_bytes = sign.run_bytes if isinstance(sign, WholeBatches) else RUN_BYTES
    while self._records.has_next():
        if raw and (run := self._records.plain_run(self.next_fetch_offset, run_bytes)) is not None:
            self.next_fetch_offset = run.next_offset
            yield run
            continue
        batch = self._records.next_batch()
        if self._check_crcs and not batch.validate_crc():
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
        yield Run(records, batch.next_offset, batch.max_timestamp, None if as_bytes is None else [as_bytes])


def deliver_whole_batches() -> None:
    """Once per process, before the first fetch; consumers that did not ask for it are served as before."""
    fetcher.PartitionRecords._unpack_records = _unpack_records  # noqa: SLF001
    if BUILT:
        fetcher.MemoryRecords = RememberedRecords
