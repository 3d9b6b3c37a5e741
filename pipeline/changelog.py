"""A compacted changelog that a frozen predecessor cannot spoil.

The Kafka key of a row ends with an id that is new for every assignment, so nobody overwrites a record of
another assignment; a restore keeps the copy with the highest order, and the owner deletes the copies it
has superseded when it writes the row again. An id per process would not do: a worker that wakes from a
freeze would delete what its successor wrote under an id it knows.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from pipeline.errors import Misconfigured
from pipeline.old_copies import Names, OldCopies
from pipeline.state import KeptRow, SourceRecord

SEPARATOR = b"\x1e"
# The first row key of every state. Its row: [order, state version, counted_to, topic id, stage's own fields ...].
HEADER = b"\x00header"
STATE_VERSION = 1

_decode = msgspec.msgpack.Decoder(list[Any]).decode
encoded = msgspec.msgpack.Encoder().encode


def _each(names: Names) -> tuple[bytes, ...]:
    return (names,) if isinstance(names, bytes) else names


class Changelog:
    """Reads the copies of the rows of one partition, then says what to write so that one copy remains.

    Rows stay as they were written until they are asked for: of copies that one assignment wrote over each other only
    the last is ever decoded.
    """

    def __init__(self, assignment: bytes) -> None:
        self._assignment = assignment
        self._best: dict[bytes, bytes] = {}
        # row key -> the assignments whose copies are still in the topic
        self._others: dict[bytes, Names] = {}
        self._old = OldCopies({})  # what was in `_others`, once nobody asks for the keys any more
        self._names: dict[bytes, bytes] = {}  # one object per assignment, not one per row

    def read(self, records: Iterable[SourceRecord]) -> None:
        """Take records of the changelog topic in order. May be called any number of times before `rows`."""
        best, others, names = self._best, self._others, self._names
        for record in records:
            key, _, name = (record.key or b"").rpartition(SEPARATOR)
            value, held = record.value, others.get(key)
            if value is None:
                self._delete(key, name)
            elif held is None:
                others[key] = names.setdefault(name, name)
                best[key] = value
            elif held == name:
                best[key] = value  # one assignment writes in order
            else:
                self._compare(key, names.setdefault(name, name), value)

    def _compare(self, key: bytes, name: bytes, value: bytes) -> None:
        held = self._holders(key)
        if name not in held:
            self._others[key] = (*held, name)
        known = self._best.get(key)
        if known is None or _decode(value)[0] >= _decode(known)[0]:
            self._best[key] = value

    def _delete(self, key: bytes, name: bytes) -> None:
        left = tuple(other for other in self._holders(key) if other != name)
        if left:
            self._others[key] = left
        else:
            self._others.pop(key, None)
            self._best.pop(key, None)

    def _holders(self, key: bytes) -> tuple[bytes, ...]:
        return _each(self._others.get(key, ()))

    @property
    def keys(self) -> frozenset[bytes]:
        """Of the rows of others that are still in the topic: after a restore, of all that were restored.

        None after `forget_keys`.
        """
        return frozenset(self._others)

    def pick(self, key: bytes) -> dict[bytes, list[Any]]:
        """The newest copy of one row, taken out; empty when there is none."""
        value = self._best.pop(key, None)
        return {} if value is None else {key: _decode(value)}

    def drain(self) -> Iterator[tuple[bytes, list[Any]]]:
        """The newest copy of every row that is left; the caller owns them from here on."""
        best, self._best = self._best, {}
        for key, value in best.items():
            yield key, _decode(value)

    def rows(self) -> dict[bytes, list[Any]]:
        """All that `drain` gives, at once."""
        return dict(self.drain())

    def forget_keys(self) -> None:
        """After the restore, where `keys` will not be asked for: a tenth of the memory says which copies to delete."""
        others, self._others = self._others, {}
        self._old = OldCopies(others)

    def write(self, rows: Iterable[tuple[bytes, KeptRow]]) -> list[tuple[bytes, bytes | None]]:
        """Kafka (key, value) records that keep these rows and delete the copies they supersede."""
        others, old, suffix = self._others, self._old, SEPARATOR + self._assignment
        if not others and not old:
            return [(key + suffix, encoded(row) if isinstance(row, list) else row) for key, row in rows]
        records: list[tuple[bytes, bytes | None]] = []
        for key, row in rows:
            records.append((key + suffix, encoded(row) if isinstance(row, list) else row))
            names: Names = others.pop(key, ()) if others else old.take(key) if old else ()
            if names:
                records += [(key + SEPARATOR + name, None) for name in _each(names) if name != self._assignment]
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
