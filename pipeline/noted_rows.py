"""Rows of windows that somebody wants to look at: a dict, or `pipeline.native.NotedRows` at a fifth of its cost."""

from collections.abc import Collection
from typing import Protocol

from pipeline.counted_slots import Target
from pipeline.per_record import native


class Noted(Protocol):
    """As a dict by the identity of the row, which is quicker to look up than its key: each once, in the order in which
    they were noted first.
    """

    def __len__(self) -> int: ...
    def __setitem__(self, number: int, target: Target, /) -> None: ...
    def pop(self, number: int, default: None, /) -> Target | None: ...
    def values(self) -> Collection[Target]: ...


def noted_rows(*, in_c: bool) -> Noted:
    return native.NotedRows() if in_c else dict[int, Target]()
