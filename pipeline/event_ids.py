"""Event ids seen within the horizon, so that an increment counts once however often it is sent.

An id is remembered for `horizon_h` hours of record time after it was last seen, to the hour. Beyond that a
repeat is a new event: memory must end somewhere, and senders repeat within minutes. Ids are kept per
campaign. They survive a restart as chunks in the changelog, written after the rows that counted them;
therefore an id that is known is always counted.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Protocol

from msgspec import Raw

from pipeline.id_memory import IdMemory
from pipeline.id_names import IdNames

HOUR_MS = 3_600_000
CHUNK_IDS = 500  # a chunk is one record of the changelog, and is written again while it grows: it must stay small
PREFIX = b"\x00ids|"


class Memory(Protocol):
    """What `IdMemory` does."""

    def __len__(self) -> int: ...
    def note(self, name: str, hour: int, /) -> int: ...
    def forget_before(self, hour: int, /) -> None: ...


class Names(Protocol):
    """What `IdNames` does."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> str: ...
    def append(self, name: str, /) -> None: ...
    def packed(self, start: int, stop: int, /) -> bytes: ...
    def drop(self, count: int, /) -> None: ...


class EventIds:
    """`memory`, `hour` and `names` are open to the loop that runs for every record: see `add` for what it must do."""

    def __init__(self, horizon_h: int, memory: Memory | None = None, names: Names | None = None) -> None:
        self._horizon_h = horizon_h
        self.memory: Memory = IdMemory() if memory is None else memory
        self.hour = 0
        self.names: Names = IdNames() if names is None else names  # of the open chunk, and what came behind it
        self._noted: Counter[int] = Counter()  # hour -> names in its chunks
        self._kept = 0  # so many of `names` are in the changelog
        self._chunks: dict[int, list[bytes]] = {}  # hour -> keys of its chunks in the changelog
        self._full: list[tuple[bytes, list[Any]]] = []
        self._expired: list[bytes] = []

    def __len__(self) -> int:
        return len(self.memory)

    def add(self, name: str) -> bool:
        """True when this id is new. A repeat refreshes the memory of it."""
        known = self.memory.note(name, self.hour)
        if known != self.hour:
            self.names.append(name)
        return known < 0

    def advance(self, clock_ms: int) -> None:
        """The clock of the partition has reached `clock_ms`: begin a new hour, forget what is too old."""
        hour = clock_ms // HOUR_MS
        if hour <= self.hour:
            return
        if self._kept < len(self.names):
            self._full += self._cut()
        self._begin(hour)
        self.memory.forget_before(hour - self._horizon_h)
        for old in [h for h in self._chunks if h < hour - self._horizon_h]:
            self._expired.extend(self._chunks.pop(old))
            self._noted.pop(old, None)

    def _begin(self, hour: int) -> None:
        """No chunk is open: the next one gets its own name."""
        self._noted[self.hour] += len(self.names)
        self.hour, self._kept = hour, 0
        self.names.drop(len(self.names))

    def _cut(self) -> list[tuple[bytes, list[Any]]]:
        """The chunks of this hour that the changelog lacks; the last may grow and be written again."""
        names, chunks = self.names, []
        start = 0
        while max(start, self._kept) < len(names):
            # Named by what it begins with: the same prefix of the partition makes the same chunks.
            key = PREFIX + f"{self.hour}|{self._noted[self.hour] + start}|{names[start]}".encode()
            if self._kept <= start:
                self._chunks.setdefault(self.hour, []).append(key)
            chunks.append((key, [0, self.hour, Raw(names.packed(start, min(start + CHUNK_IDS, len(names))))]))
            start += CHUNK_IDS
        full = len(names) // CHUNK_IDS * CHUNK_IDS
        self._noted[self.hour] += full
        names.drop(full)
        self._kept = len(names)
        return chunks

    def take(self, order: int) -> Iterator[tuple[bytes, list[Any]]]:
        """Chunks to write since the last call: `order`, the hour, and the names as MessagePack has them."""
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
        note = self.memory.note
        self.loaded(key, hour, sum(note(name, hour) < hour for name in names))

    def loaded(self, key: bytes, hour: int, noted: int) -> None:
        """A chunk is in the memory; so many of its ids were not known, or of an earlier hour."""
        self._chunks.setdefault(hour, []).append(key)
        self._noted[hour] += noted
        self.hour = max(self.hour, hour)
