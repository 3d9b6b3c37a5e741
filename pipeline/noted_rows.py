"""Rows of windows that somebody wants to look at: `pipeline.native.NotedRows` is the same at a fifth of the cost."""

from collections.abc import Iterator
from typing import Protocol

from pipeline.counted_rows import Row
from pipeline.counted_slots import Target
from pipeline.per_record import native


class Noted(Protocol):
    """Each once, in the order in which they were noted first. A row is told from others by its identity."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Target]: ...
    def note(self, target: Target, /) -> None: ...
    def forget(self, row: Row, /) -> None: ...


class NotedRows:
    """Implements `Noted`."""

    def __init__(self) -> None:
        self._targets: dict[int, Target] = {}  # by the identity of the row, which is quicker to look up than its key

    def __len__(self) -> int:
        return len(self._targets)

    def __iter__(self) -> Iterator[Target]:
        return iter(self._targets.values())

    def note(self, target: Target) -> None:
        self._targets[id(target[2])] = target

    def forget(self, row: Row) -> None:
        self._targets.pop(id(row), None)


def noted_rows(*, in_c: bool) -> Noted:
    return native.NotedRows() if in_c else NotedRows()
