"""What the shell asks of a stateful stage: rows per partition, changed by records, kept in a changelog.

One stage state exists per (source topic, partition) and assignment. It is a function of the prefix of
that partition and of nothing else: no clock, no other partition, no other topic. Therefore two workers
that hold it at different times can differ only in how far they have come.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Protocol


class SourceRecord(Protocol):
    """A record as fetched. `timestamp` is Unix ms: the time the record says it was received or fetched."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


_offset = attrgetter("offset")


def records_from(records: Sequence[SourceRecord], offset: int) -> Sequence[SourceRecord]:
    """Of records in order those at this offset and behind it: the same sequence where that is all."""
    if records and records[0].offset < offset:
        return records[bisect_left(records, offset, key=_offset) :]
    return records


# The first element orders the copies of a row, the highest is the newest. As bytes it is encoded already, and None
# forgets the row.
KeptRow = list[Any] | bytes | None
Output = tuple[str, bytes | None, bytes]  # topic, key, value; written to the partition of the state


@dataclass(slots=True)
class Taken:
    """What has changed since the last take.

    `outputs`: what was not published yet, written in this order, before the changelog.
    `rows`: (row key, `KeptRow`). `upto`: the last source offset all of this covers.
    """

    outputs: Collection[Output] = field(default_factory=list)
    rows: Collection[tuple[bytes, Any]] = field(default_factory=list)
    upto: int = -1


class StageState(Protocol):
    """The rows of one partition. Called from one loop, a call at a time; nothing here awaits."""

    def load(self, rows: Iterable[tuple[bytes, list[Any]]], *, counted_to: int) -> None:
        """Take over restored rows. Every record up to `counted_to` is in them; single rows may be further."""

    def count(self, records: Sequence[SourceRecord]) -> None:
        """Apply fetched records in order. A record already in a row changes nothing. Raises nothing for bad input."""

    def publish(self) -> Collection[Output]:
        """Hand over only what is to be published, as often as may be. What follows from it is kept with the next take:
        a crash in between publishes the same once more.
        """

    def take(self) -> Taken:
        """Hand over what is to be published and kept, and start a new round."""

    @property
    def counted_to(self) -> int:
        """The last source offset that was taken."""

    @property
    def clock_ms(self) -> int:
        """The time the records of this partition have come to; -1 before the first."""

    @property
    def pending(self) -> int:
        """How many rows and outputs wait for the next take."""

    def tallies(self) -> dict[tuple[str, str], int]:
        """Counters since the last call: ("received", ""), ("emitted", ""), ("dropped", reason), ("dead", code).

        Beside these, which add up, ("unknown_campaign", ""): campaigns whose first record came.
        """
