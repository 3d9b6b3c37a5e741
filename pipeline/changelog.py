"""A compacted changelog that a frozen predecessor cannot spoil.

The Kafka key of a row ends with an id that is new for every assignment, so nobody overwrites a record of
another assignment; a restore keeps the copy with the highest order, and the owner deletes the copies it
has superseded when it writes the row again. An id per process would not do: a worker that wakes from a
freeze would delete what its successor wrote under an id it knows.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

import msgspec

from pipeline.copies import SEPARATOR, Batch, Copies, CopyStore
from pipeline.errors import Misconfigured
from pipeline.outputs import Pack, Pair, Pairs, Parts, pairs_in_c
from pipeline.per_record import BUILT, native
from pipeline.state import KeptRow, SourceRecord

# The first row key of every state. Its row: [order, state version, counted_to, topic id, stage's own fields ...].
HEADER = b"\x00header"
STATE_VERSION = 1

decode_row = msgspec.msgpack.Decoder(list[Any]).decode
encoded = msgspec.msgpack.Encoder().encode


def _is_newer(value: bytes, known: bytes) -> bool:
    return bool(decode_row(value)[0] >= decode_row(known)[0])


class NewestRows:
    """The newest copy of every row, decoded as it is asked for: once. The caller owns the rows from there on.

    `first`: rows that come before the others. `in_c`: where the others are, for who can read them there.
    """

    def __init__(self, first: Sequence[tuple[bytes, list[Any]]], copies: CopyStore) -> None:
        self.first, self._copies = first, copies
        self.in_c: native.Copies | None = copies if BUILT and isinstance(copies, native.Copies) else None

    def __iter__(self) -> Iterator[tuple[bytes, list[Any]]]:
        yield from self.first
        for key, value in self._copies.drain():
            yield key, decode_row(value)


class Changelog:
    """Reads the copies of the rows of one partition, then says what to write so that one copy remains.

    Rows stay as they were written until they are asked for: of copies that one assignment wrote over each other only
    the last is ever decoded.
    """

    def __init__(self, assignment: bytes, *, in_c: bool = BUILT, pack: Pack | None = None) -> None:
        self._assignment, self._in_c, self._pack = assignment, in_c, pack
        self._copies: CopyStore = native.Copies(_is_newer) if in_c else Copies(_is_newer)

    def read(self, records: Iterable[SourceRecord]) -> None:
        """Take records of the changelog topic in order. May be called any number of times before `rows`."""
        self._copies.read(records)

    def read_batch(self, batch: Batch) -> None:
        """The same of a whole batch as bytes; only where C was built. Other threads run meanwhile.

        Raises ValueError when it is not one.
        """
        cast("native.Copies", self._copies).read_batch(batch)

    @property
    def keys(self) -> frozenset[bytes]:
        """Of the rows of others that are still in the topic: after a restore, of all that were restored.

        None after `forget_keys`.
        """
        return frozenset(self._copies.keys())

    def pick(self, key: bytes) -> dict[bytes, list[Any]]:
        """The newest copy of one row, taken out; empty when there is none."""
        value = self._copies.pick(key)
        return {} if value is None else {key: decode_row(value)}

    def drain(self, first: Sequence[tuple[bytes, list[Any]]] = ()) -> NewestRows:
        """The newest copy of every row that is left, behind `first`."""
        return NewestRows(first, self._copies)

    def rows(self) -> dict[bytes, list[Any]]:
        """All that `drain` gives, at once."""
        return dict(self.drain())

    def forget_keys(self) -> None:
        """After the restore, where `keys` will not be asked for: a tenth of the memory says which copies to delete."""
        self._copies.forget_keys()

    def write(self, rows: Iterable[tuple[bytes, KeptRow]]) -> Pairs:
        """Kafka (key, value) records that keep these rows and delete the copies they supersede."""
        copies, suffix = self._copies, SEPARATOR + self._assignment
        if self._in_c and isinstance(rows, Parts):
            return self._written_in_c(rows, suffix)
        if not copies:
            return [(key + suffix, encoded(row) if isinstance(row, list) else row) for key, row in rows]
        records: list[Pair] = []
        for key, row in rows:
            records.append((key + suffix, encoded(row) if isinstance(row, list) else row))
            if names := copies.take(key):
                records += [(key + SEPARATOR + name, None) for name in names if name != self._assignment]
        return records

    def _written_in_c(self, rows: Parts, suffix: bytes) -> "native.Pairs":
        copies, records = self._copies, pairs_in_c(self._pack)
        for part in rows.parts:
            if not copies and isinstance(part, native.Pairs):
                records.extend(part, suffix)
                continue
            for key, row in cast("Iterable[tuple[bytes, KeptRow]]", part):
                records.append((key + suffix, encoded(row) if isinstance(row, list) else row))
                if copies and (names := copies.take(key)):
                    records.extend((key + SEPARATOR + name, None) for name in names if name != self._assignment)
        return records


def header_of(rows: dict[bytes, list[Any]], *, topic: str, topic_id: str) -> list[Any] | None:
    """Take the header out of restored rows and check that the state belongs to this topic and to this program.

    Raises Misconfigured: `topic_recreated`, `state_version`.
    """
    header = rows.pop(HEADER, None)
    if header is None:
        return None
    if header[1] > STATE_VERSION:
        raise Misconfigured(
            "state_version",
            f"the state of {topic} was written by a newer program (state version {header[1]}, this one reads up to "
            f"{STATE_VERSION}); start that version again, or rebuild with `pulse replay --rebuild`",
        )
    if header[3] != topic_id:
        raise Misconfigured(
            "topic_recreated",
            f"topic {topic} was deleted and created again (id {topic_id}, the state counted {header[3]}): its offsets "
            "start anew and every record would be taken for a repeat; create a topic under a new version instead, or "
            "start with an empty state (new `state.*` topics)",
        )
    return header
