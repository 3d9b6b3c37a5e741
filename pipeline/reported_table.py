"""The rows of a reported state by their keys, the days of each campaign, and when rows may be forgotten."""

from collections.abc import Iterator
from typing import Any

from pipeline.expiry import Expiry
from pipeline.reported_rows import END, EXPIRED, FETCHED_AT, RowKey, read_key, restored
from pipeline.state import KeptRow
from schemas.window import Window

DAY = str(Window.DAY)


class RowTable:
    def __init__(self, horizon_ms: int) -> None:
        self._horizon_ms = horizon_ms
        self.rows: dict[RowKey, list[Any]] = {}
        self._days: dict[str, set[RowKey]] = {}  # campaign key -> its campaign-day rows
        self._expiry: Expiry[RowKey] = Expiry()
        self._expired_changed = False

    def restore(self, key: bytes, row: list[Any]) -> None:
        if key == EXPIRED:
            self._expiry.restore(row[1])
        else:
            name = read_key(key)
            self.put(name, restored(name, row))

    def put(self, key: RowKey, row: list[Any]) -> None:
        """A row that is new."""
        self.rows[key] = row
        if key[3] == DAY and not key[2]:
            self._days.setdefault(key[0], set()).add(key)
        self._expiry.watch(key, self._due(row))

    def days_of(self, campaign_key: str) -> list[RowKey]:
        return sorted(self._days.get(campaign_key, ()))

    def has_days(self, campaign_key: str) -> bool:
        """Or had some, since the state was restored."""
        return campaign_key in self._days

    def is_forgotten(self, window: str, start_ms: int) -> bool:
        """Whether rows of that day have been given up."""
        return self._expiry.is_forgotten(window, start_ms)

    def forget(self, clock_ms: int) -> Iterator[tuple[RowKey, list[Any]]]:
        """Gives up the rows whose time has come."""
        for key in self._expiry.due(clock_ms, self._due_of):
            row = self.rows.pop(key)
            self._days.get(key[0], set()).discard(key)
            self._expired_changed |= self._expiry.forget(key[3], key[4])
            yield key, row

    def _due_of(self, key: RowKey) -> int | None:
        row = self.rows.get(key)
        return None if row is None else self._due(row)

    def _due(self, row: list[Any]) -> int:
        return int(max(row[END], row[FETCHED_AT]) + self._horizon_ms)

    def take(self, order: int) -> list[tuple[bytes, KeptRow]]:
        """What rows rest on, where it has changed."""
        changed, self._expired_changed = self._expired_changed, False
        return [(EXPIRED, [order, self._expiry.dump()])] if changed else []
