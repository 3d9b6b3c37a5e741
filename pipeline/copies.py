"""The newest copy of every row of a changelog, and which assignments hold copies of it.

`pipeline.native.Copies` is the same in C, where a compiler was there at the installation; tests hold the two together.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from pipeline.old_copies import Names, OldCopies
from pipeline.state import SourceRecord

SEPARATOR = b"\x1e"  # between the key of a row and the assignment whose copy it is
# As `pipeline.native.WireRecords` takes it: buffer, start, stop, first offset, first timestamp, records.
Batch = tuple[bytes, int, int, int, int, int]


class CopyStore(Protocol):
    """Values are bytes as they were written: of copies that one assignment wrote over each other only the last counts.

    Its length is of how many rows there are copies.
    """

    def __len__(self) -> int: ...

    def read(self, records: Iterable[SourceRecord], /) -> None:
        """Take records of the changelog topic in order, before anything is taken out."""

    def pick(self, key: bytes, /) -> bytes | None:
        """The newest copy of one row, taken out."""

    def drain(self) -> Iterator[tuple[bytes, bytes]]:
        """The newest copies that are left, taken out, in the order in which their keys first came."""

    def keys(self) -> list[bytes]:
        """Of the rows that copies are held of; none after `forget_keys`."""

    def forget_keys(self) -> None:
        """From here on only `take` is asked: a tenth of the memory is enough for it."""

    def take(self, key: bytes, /) -> tuple[bytes, ...]:
        """The assignments that hold a copy of this row; () from the second time on."""


def _each(names: Names) -> tuple[bytes, ...]:
    return (names,) if isinstance(names, bytes) else names


class Copies:
    """`is_newer(value, known)`: whether the order of one copy is as high as that of another. Implements `CopyStore`."""

    def __init__(self, is_newer: Callable[[bytes, bytes], bool]) -> None:
        self._is_newer = is_newer
        self._best: dict[bytes, bytes] = {}
        # row key -> the assignments whose copies are still in the topic
        self._others: dict[bytes, Names] = {}
        self._old = OldCopies({})  # what was in `_others`, once nobody asks for the keys any more
        self._names: dict[bytes, bytes] = {}  # one object per assignment, not one per row

    def __len__(self) -> int:
        return len(self._others) or len(self._old)

    def read(self, records: Iterable[SourceRecord]) -> None:
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
        if known is None or self._is_newer(value, known):
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

    def pick(self, key: bytes) -> bytes | None:
        return self._best.pop(key, None)

    def drain(self) -> Iterator[tuple[bytes, bytes]]:
        best, self._best = self._best, {}
        yield from best.items()

    def keys(self) -> list[bytes]:
        return list(self._others)

    def forget_keys(self) -> None:
        if self._others:
            others, self._others = self._others, {}
            self._old = OldCopies(others)

    def take(self, key: bytes) -> tuple[bytes, ...]:
        return _each(self._others.pop(key, ()) if self._others else self._old.take(key))
