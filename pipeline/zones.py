"""Exact account-time arithmetic: which local hour and day an instant is in, and when those begin and end.

Local hours are named by (date, hour). An hour that a clock repeats is one window over both occurrences, because a
platform's report has one row for it; an hour that a clock skips does not exist. All instants are Unix ms UTC.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord

QUARTER_MS = 900_000  # every zone changes its offset, and has it, at whole quarters of an hour
QUARTERS_AROUND = 8  # a local hour with its repetition lasts two hours at most


@lru_cache(2048)
def zone_of(name: str) -> ZoneInfo:
    """Raises BadRecord(bad_zone)."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise BadRecord(BadRecordCode.BAD_ZONE, "zone", f"{name!r} is not an IANA time zone") from None


@lru_cache(1 << 16)
def day_bounds(zone: str, day: date) -> tuple[int, int]:
    """[start, end) of a calendar day; 23, 24 or 25 hours, or what the zone's history has."""
    return _midnight(zone_of(zone), day), _midnight(zone_of(zone), day + timedelta(days=1))


def _midnight(zone: ZoneInfo, day: date) -> int:
    """First instant of a local date. A zone may skip midnight itself: then the day begins behind the gap."""
    at = int(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).timestamp()) * 1000
    first = at - QUARTER_MS * QUARTERS_AROUND
    for start in range(first, at + QUARTER_MS * 4 * 26, QUARTER_MS):
        if datetime.fromtimestamp(start / 1000, zone).date() >= day:
            return start
    raise AssertionError(f"no instant of {day} in {zone}")


@lru_cache(1 << 16)
def hour_bounds(zone: str, day: date, hour: int) -> tuple[int, int]:
    """[start, end) of a local hour. Raises BadRecord(bad_time) for an hour that the clock skips."""
    start_ms, end_ms = day_bounds(zone, day)
    info = zone_of(zone)
    quarters = [
        at for at in range(start_ms, end_ms, QUARTER_MS) if datetime.fromtimestamp(at / 1000, info).hour == hour
    ]
    if not quarters:
        raise BadRecord(BadRecordCode.BAD_TIME, "segments.hour", f"{day} has no hour {hour} in {zone}")
    return quarters[0], quarters[-1] + QUARTER_MS


@lru_cache(1 << 16)
def _day_at(zone: str, quarter: int) -> tuple[int, int]:
    return day_bounds(zone, datetime.fromtimestamp(quarter * QUARTER_MS / 1000, zone_of(zone)).date())


@lru_cache(1 << 16)
def _hour_at(zone: str, quarter: int) -> tuple[int, int]:
    local = datetime.fromtimestamp(quarter * QUARTER_MS / 1000, zone_of(zone))
    return hour_bounds(zone, local.date(), local.hour)


def day_at(zone: str, at_ms: int) -> tuple[int, int]:
    """[start, end) of the local day that holds the instant. Raises BadRecord(bad_zone)."""
    return _day_at(zone, at_ms // QUARTER_MS)


def hour_at(zone: str, at_ms: int) -> tuple[int, int]:
    """[start, end) of the local hour that holds the instant. Raises BadRecord(bad_zone)."""
    return _hour_at(zone, at_ms // QUARTER_MS)
