"""When a row may be forgotten, without looking at the rows that may not.

A row is due `horizon_ms` after its window's end or its last change, whichever is later. Rows wait in
buckets of an hour; a bucket is opened once, when the clock of the partition passes it. Days of which
anything was forgotten are remembered: a row of such a day is never started again from zero.
"""

from collections.abc import Callable, Hashable, Iterator
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

BUCKET_MS = 3_600_000
DAY_MS = 86_400_000
FAR_MS = 2**62


def bucket_of(due_ms: int) -> int:
    """The bucket that is opened when everything due by then is due; as hours since 1970."""
    return due_ms // BUCKET_MS + 1


class Expiry(Generic[Key]):
    def __init__(self) -> None:
        self._buckets: dict[int, list[Key]] = {}
        self._next: int | None = None  # lowest bucket, so that a look costs nothing most of the time
        self.forgotten: dict[str, set[int]] = {}  # window -> UTC days of which a row was forgotten

    def watch(self, key: Key, due_ms: int) -> None:
        bucket = bucket_of(due_ms)
        self._buckets.setdefault(bucket, []).append(key)
        if self._next is None or bucket < self._next:
            self._next = bucket

    def next_ms(self) -> int:
        """Before this time nothing is due; far away if nothing waits."""
        return FAR_MS if self._next is None else self._next * BUCKET_MS

    def due(self, clock_ms: int, due_of: Callable[[Key], int | None]) -> Iterator[Key]:
        """Keys whose time has come. `due_of` gives the present due time of a key, None if it is gone."""
        now = clock_ms // BUCKET_MS
        while self._next is not None and self._next <= now:
            keys = self._buckets.pop(self._next)
            self._next = min(self._buckets, default=None)
            for key in keys:
                due = due_of(key)
                if due is None:
                    continue
                if due <= clock_ms:
                    yield key
                else:
                    self.watch(key, due)

    def forget(self, window: str, start_ms: int) -> bool:
        """Remember that rows of this day are gone; True when that is news."""
        days, day = self.forgotten.setdefault(window, set()), start_ms // DAY_MS
        if day in days:
            return False
        days.add(day)
        return True

    def is_forgotten(self, window: str, start_ms: int) -> bool:
        days = self.forgotten.get(window)
        return days is not None and start_ms // DAY_MS in days

    def dump(self) -> list[Any]:
        return [[window, sorted(days)] for window, days in sorted(self.forgotten.items())]

    def restore(self, dumped: list[Any]) -> None:
        self.forgotten = {window: set(days) for window, days in dumped}
