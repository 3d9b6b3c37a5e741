"""Totals that nobody can miss: a higher version of the same total, known within the same minute, is in the same block.

A busy campaign publishes its day up to 40 times a second. Tables of totals keep the highest version
anyway; the history keeps what was known at every minute, and whatever is the highest version of its block.
"""

from collections.abc import Sequence
from typing import Protocol

MINUTE_MS = 60_000


class Versioned(Protocol):
    """As much of a total as it takes to see whether another one supersedes it."""

    total_id: str
    as_of_ms: int
    version: int


def unsuperseded(totals: Sequence[Versioned]) -> Sequence[int]:
    """Indexes, in order, of the highest version of every id and minute of `as_of_ms`.

    Versions are compared, for after a replay a later record may be the lower one; of equal versions, which are equal
    values, the last stays.
    """
    highest: dict[tuple[str, int], int] = {}
    for index, total in enumerate(totals):
        held = highest.setdefault((total.total_id, total.as_of_ms // MINUTE_MS), index)
        if held != index and total.version >= totals[held].version:
            highest[total.total_id, total.as_of_ms // MINUTE_MS] = index
    return range(len(totals)) if len(highest) == len(totals) else sorted(highest.values())
