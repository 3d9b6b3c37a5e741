"""A compacted changelog that a frozen predecessor cannot spoil.

The Kafka key of a row ends with an id that is new for every assignment, so nobody overwrites a record of
another assignment; a restore keeps the copy with the highest order, and the owner deletes the copies it
has superseded when it writes the row again. An id per process would not do: a worker that wakes from a
freeze would delete what its successor wrote under an id it knows.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from pipeline.errors import Misconfigured
from pipeline.state import SourceRecord

SEPARATOR = b"\x1e"
# The first row key of every state. Its row: [order, state version, counted_to, topic id, stage's own fields ...].
HEADER = b"\x00header"
STATE_VERSION = 1

_decode = msgspec.msgpack.Decoder(list[Any]).decode
_encode = msgspec.msgpack.Encoder().encode


class Changelog:
    """Reads the copies of the rows of one partition, then says what to write so that one copy remains."""

    def __init__(self, assignment: bytes) -> None:
        self._assignment = assignment
        self._best: dict[bytes, list[Any]] = {}
        self._others: dict[bytes, list[bytes]] = {}  # row key -> assignments whose copies are still in the topic

    def read(self, records: Iterable[SourceRecord]) -> None:
        """Take records of the changelog topic in order. May be called any number of times before `rows`."""
        for record in records:
            key, _, assignment = (record.key or b"").rpartition(SEPARATOR)
            others = self._others.setdefault(key, [])
            if record.value is None:
                if assignment in others:
                    others.remove(assignment)
                if not others:
                    self._best.pop(key, None)
                    del self._others[key]
                continue
            if assignment not in others:
                others.append(assignment)
            row, known = _decode(record.value), self._best.get(key)
            if known is None or row[0] >= known[0]:
                self._best[key] = row

    def rows(self) -> dict[bytes, list[Any]]:
        """The newest copy of every row; the caller owns them from here on."""
        rows, self._best = self._best, {}
        return rows

    def write(self, rows: Iterable[tuple[bytes, list[Any] | None]]) -> list[tuple[bytes, bytes | None]]:
        """Kafka (key, value) records that keep these rows and delete the copies they supersede."""
        records: list[tuple[bytes, bytes | None]] = []
        others, suffix = self._others, SEPARATOR + self._assignment
        for key, row in rows:
            records.append((key + suffix, None if row is None else _encode(row)))
            if others and (superseded := others.pop(key, None)):
                records.extend((key + SEPARATOR + old, None) for old in superseded if old != self._assignment)
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
