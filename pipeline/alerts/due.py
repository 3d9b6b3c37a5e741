"""Campaigns to look at again when time alone changes a verdict. To the full hour of record time.

Quantised so that the hour is a function of the campaign's state alone: a judge that was restored looks
at the same checkpoints as one that was not.
"""

HOUR_MS = 3_600_000


class Due:
    def __init__(self) -> None:
        self._hour_of: dict[str, int] = {}
        self._buckets: dict[int, set[str]] = {}

    def schedule(self, key: str, due_ms: int | None) -> None:
        """`due_ms`: the earliest instant at which something may change; None for never. Replaces what was scheduled."""
        hour = None if due_ms is None else due_ms // HOUR_MS + 1
        known = self._hour_of.get(key)
        if hour == known:
            return
        if known is not None:
            bucket = self._buckets[known]
            bucket.discard(key)
            if not bucket:
                del self._buckets[known]
            del self._hour_of[key]
        if hour is not None:
            self._hour_of[key] = hour
            self._buckets.setdefault(hour, set()).add(key)

    def at(self, now_ms: int) -> list[str]:
        """Keys whose hour has come. They stay scheduled until `schedule` says otherwise."""
        hour = now_ms // HOUR_MS
        return [key for due in sorted(self._buckets) if due <= hour for key in self._buckets[due]]
