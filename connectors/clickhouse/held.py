"""Records of one partition that wait, as runs without gaps, with the bytes they hold in memory."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter

from connectors.wire import joined
from pipeline.state import SourceRecord

RECORD_BYTES = 280  # of a record's objects, beside the bytes of its key and value
_offset = attrgetter("offset")


@dataclass(frozen=True, slots=True)
class Cut:
    """When a block leaves: with `rows`, with `bytes`, or at the next multiple of `wait_s` of the monotonic clock.

    `after_s`: that much behind the multiples, so that not everything leaves at once.
    """

    rows: int
    bytes: int
    wait_s: float
    after_s: float = 0.0

    def due_s(self, since_s: float) -> float:
        """When what has waited since then leaves: the same instants for all that wait."""
        return ((since_s - self.after_s) // self.wait_s + 1) * self.wait_s + self.after_s


@dataclass(slots=True)
class _Run:
    records: Sequence[SourceRecord]
    bytes: int


class Held:
    """First in, first out. `rows` and `bytes` are those of everything that waits here."""

    def __init__(self) -> None:
        self.rows = self.bytes = 0
        self._runs: deque[_Run] = deque()

    @property
    def oldest_ms(self) -> int | None:
        """The timestamp of the first record; None when nothing waits."""
        return self._runs[0].records[0].timestamp if self._runs else None

    def add(self, records: Sequence[SourceRecord]) -> None:
        for run in _without_gaps(records):
            size = bytes_of(run)
            self._runs.append(_Run(run, size))
            self.rows += len(run)
            self.bytes += size

    def take(self, cut: Cut) -> tuple[Sequence[SourceRecord], int]:
        """The next block and its bytes: at most `cut.rows` and `cut.bytes` (one record may be larger), no gap in it."""
        taken: list[Sequence[SourceRecord]] = []
        rows = size = 0
        while self._runs and rows < cut.rows:
            run = self._runs[0]
            if taken and run.records[0].offset != taken[-1][-1].offset + 1:
                break
            if rows + len(run.records) > cut.rows or size + run.bytes > cut.bytes:
                fits = _prefix(run.records, cut.rows - rows, cut.bytes - size)
                if not fits and taken:
                    break
                self._split(max(fits, 1))
                run = self._runs[0]
            self._runs.popleft()
            taken.append(run.records)
            rows += len(run.records)
            size += run.bytes
        self.rows -= rows
        self.bytes -= size
        return joined(taken), size

    def _split(self, at: int) -> None:
        run = self._runs[0]
        if at >= len(run.records):
            return
        first = run.records[:at]
        size = bytes_of(first)
        self._runs[0] = _Run(run.records[at:], run.bytes - size)
        self._runs.appendleft(_Run(first, size))


def bytes_of(records: Sequence[SourceRecord]) -> int:
    """What they hold in memory, estimated from above. Parts of a batch that is bytes count by their share of it."""
    share = _share(records)
    if share:
        return share
    payload = sum([len(record.value or b"") for record in records]) + sum(
        [len(record.key or b"") for record in records]
    )
    return RECORD_BYTES * len(records) + payload


def _share(records: Sequence[SourceRecord]) -> int:
    """Of records that are bytes, what they hold of these; 0 where they are objects."""
    return int(getattr(records, "nbytes", 0))


def _without_gaps(records: Sequence[SourceRecord]) -> Iterator[Sequence[SourceRecord]]:
    if records and records[-1].offset - records[0].offset == len(records) - 1:
        yield records
        return
    start = 0
    offsets = list(map(_offset, records))
    for index in range(1, len(records) + 1):
        if index == len(records) or offsets[index] != offsets[index - 1] + 1:
            yield records[start:index]
            start = index


def _prefix(records: Sequence[SourceRecord], rows: int, size: int) -> int:
    """How many of the first records fit."""
    share = _share(records)
    if share:
        return max(0, min(rows, size * len(records) // share))
    count = 0
    for held in accumulate(bytes_of((record,)) for record in records[:rows]):
        if held > size:
            break
        count += 1
    return count
