"""Event ids seen within the horizon, so that an increment counts once however often it is sent.

An id is remembered for `horizon_h` hours of record time after it was last seen, to the hour. Beyond that a
repeat is a new event: memory must end somewhere, and senders repeat within minutes. Ids are kept per
campaign. They survive a restart as chunks in the changelog, written after the rows that counted them;
therefore an id that is known is always counted.
"""

from collections.abc import Iterator
from typing import Any

HOUR_MS = 3_600_000
CHUNK_IDS = 500  # a chunk is one record of the changelog, and is written again while it grows: it must stay small
PREFIX = b"\x00ids|"


class EventIds:
    """`seen` and `hour` are open to the one loop that runs for every record: see `add` for what it must do."""

    def __init__(self, horizon_h: int) -> None:
        self._horizon_h = horizon_h
        self.seen: dict[str, int] = {}  # campaign key + id -> hour last seen
        self.hour = 0
        self.names: list[str] = []  # of this hour, in order
        self._by_hour: dict[int, list[str]] = {0: self.names}
        self._chunks: dict[int, list[bytes]] = {}  # hour -> keys of its chunks in the changelog
        self._start = self._kept = 0  # in `names`: where the open chunk begins, and how far the changelog has it
        self._full: list[tuple[bytes, list[Any]]] = []
        self._expired: list[bytes] = []

    def __len__(self) -> int:
        return len(self.seen)

    def add(self, name: str) -> bool:
        """True when this id is new. A repeat refreshes the memory of it."""
        known = self.seen.get(name)
        if known == self.hour:
            return False
        self.seen[name] = self.hour
        self.names.append(name)
        return known is None

    def advance(self, clock_ms: int) -> None:
        """The clock of the partition has reached `clock_ms`: begin a new hour, forget what is too old."""
        hour = clock_ms // HOUR_MS
        if hour <= self.hour:
            return
        if self._kept < len(self.names):
            self._full += self._cut()
        self._begin(hour)
        for old in [h for h in self._by_hour if h < hour - self._horizon_h]:
            for name in self._by_hour.pop(old):
                if self.seen.get(name) == old:
                    del self.seen[name]
            self._expired.extend(self._chunks.pop(old, ()))

    def _begin(self, hour: int) -> None:
        self.hour = hour
        self.names = self._by_hour.setdefault(hour, [])
        self._start = self._kept = len(self.names)

    def _cut(self) -> list[tuple[bytes, list[Any]]]:
        """The chunks of this hour that the changelog lacks; the last may grow and be written again."""
        names, chunks = self.names, []
        while self._kept < len(names):
            ids = names[self._start : self._start + CHUNK_IDS]
            # Named by what it begins with: the same prefix of the partition makes the same chunks.
            key = PREFIX + f"{self.hour}|{self._start}|{ids[0]}".encode()
            if self._kept == self._start:
                self._chunks.setdefault(self.hour, []).append(key)
            chunks.append((key, [0, self.hour, ids]))
            self._kept = self._start + len(ids)
            if len(ids) == CHUNK_IDS:
                self._start = self._kept
        return chunks

    def take(self, order: int) -> Iterator[tuple[bytes, list[Any]]]:
        """Chunks to write since the last call, each with `order` as its first element."""
        full, self._full = self._full, []
        for key, row in [*full, *self._cut()]:
            row[0] = order
            yield key, row

    def take_expired(self) -> list[tuple[bytes, list[Any] | None]]:
        """Chunks to delete, once what made them expire is kept: deleted sooner, a crash would forget ids too early."""
        expired, self._expired = self._expired, []
        return [(key, None) for key in expired]

    def load(self, key: bytes, row: list[Any]) -> None:
        _, hour, names = row
        self._chunks.setdefault(hour, []).append(key)
        by_hour = self._by_hour.setdefault(hour, [])
        seen = self.seen
        for name in names:
            if seen.get(name, -1) < hour:
                seen[name] = hour
                by_hour.append(name)
        self._begin(max(self.hour, hour))
