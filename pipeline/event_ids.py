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
    def __init__(self, horizon_h: int) -> None:
        self._horizon_h = horizon_h
        self._seen: dict[str, int] = {}  # campaign key + id -> hour last seen
        self._by_hour: dict[int, list[str]] = {}
        self._chunks: dict[int, list[bytes]] = {}  # hour -> keys of its chunks in the changelog
        self._open: list[str] = []  # ids of the chunk being filled
        self._open_key: bytes | None = None
        self._fresh = 0  # how many of them the changelog does not hold yet
        self._full: list[tuple[bytes, list[Any]]] = []
        self._expired: list[bytes] = []
        self.hour = 0

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, name: str) -> bool:
        """True when this id is new. A repeat refreshes the memory of it."""
        hour = self.hour
        known = self._seen.get(name)
        if known == hour:
            return False
        self._seen[name] = hour
        self._by_hour.setdefault(hour, []).append(name)
        self._open.append(name)
        self._fresh += 1
        if len(self._open) >= CHUNK_IDS:
            self._close()
        return known is None

    def advance(self, clock_ms: int) -> None:
        """The clock of the partition has reached `clock_ms`: begin a new hour, forget what is too old."""
        hour = clock_ms // HOUR_MS
        if hour <= self.hour:
            return
        self._close()
        self.hour = hour
        for old in [h for h in self._by_hour if h < hour - self._horizon_h]:
            for name in self._by_hour.pop(old):
                if self._seen.get(name) == old:
                    del self._seen[name]
            self._expired.extend(self._chunks.pop(old, ()))

    def _close(self) -> None:
        if self._fresh:
            self._full.append((self._open_key or self._new_key(), [0, self.hour, self._open]))
        self._open, self._open_key, self._fresh = [], None, 0

    def _new_key(self) -> bytes:
        chunks = self._chunks.setdefault(self.hour, [])
        # Named by what it begins with: the same prefix of the partition makes the same chunks.
        key = PREFIX + f"{self.hour}|{len(chunks)}|{self._open[0]}".encode()
        chunks.append(key)
        return key

    def take(self, order: int) -> Iterator[tuple[bytes, list[Any]]]:
        """Chunks to write since the last call, each with `order` as its first element."""
        for key, row in self._full:
            row[0] = order
            yield key, row
        self._full = []
        if self._fresh:
            if self._open_key is None:
                self._open_key = self._new_key()
            yield self._open_key, [order, self.hour, self._open]
            self._fresh = 0

    def take_expired(self) -> list[tuple[bytes, list[Any] | None]]:
        """Chunks to delete, once what made them expire is kept: deleted sooner, a crash would forget ids too early."""
        expired, self._expired = self._expired, []
        return [(key, None) for key in expired]

    def load(self, key: bytes, row: list[Any]) -> None:
        _, hour, names = row
        self._chunks.setdefault(hour, []).append(key)
        by_hour = self._by_hour.setdefault(hour, [])
        seen = self._seen
        for name in names:
            if seen.get(name, -1) < hour:
                seen[name] = hour
                by_hour.append(name)
        self.hour = max(self.hour, hour)
