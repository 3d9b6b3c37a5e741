"""Exact account-time arithmetic."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

QUARTER_MS = 900_000  # every zone's offset changes at a quarter of an hour


def _ms(t: datetime) -> int:
    return int(t.timestamp()) * 1000


@lru_cache(1 << 16)
def _day(zone: str, quarter: int) -> tuple[int, int]:
    z = ZoneInfo(zone)
    local = datetime.fromtimestamp(quarter * 900, z).date()
    return _first(z, local), _first(z, local + timedelta(days=1))


def _first(z: ZoneInfo, day: date) -> int:
    return _ms(datetime(day.year, day.month, day.day, tzinfo=z).astimezone(UTC))


@lru_cache(1 << 16)
def _hour(zone: str, quarter: int) -> tuple[int, int]:
    z = ZoneInfo(zone)

    def name(q: int) -> tuple[object, int]:
        local = datetime.fromtimestamp(q * 900, z)
        return local.date(), local.hour

    first = last = quarter
    while name(first - 1) == name(quarter):
        first -= 1
    while name(last + 1) == name(quarter):
        last += 1
    return first * QUARTER_MS, (last + 1) * QUARTER_MS


def day_at(zone: str, at_ms: int) -> tuple[int, int]:
    return _day(zone, at_ms // QUARTER_MS)


def hour_at(zone: str, at_ms: int) -> tuple[int, int]:
    return _hour(zone, at_ms // QUARTER_MS)
