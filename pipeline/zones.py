"""Exact account-time arithmetic: which local hour and day an instant is in, and when those begin and end.

Local hours are named by (date, hour). An hour that a clock repeats is one window over both showings, because a
platform's report has one row for it; an hour or a day that a clock skips does not exist. All instants are Unix ms UTC.

The windows of a day cover it without a gap. They do not overlap either, except where a clock that goes back shows two
hours in turn: Pacific/Chatham (03:45 to 02:45) and Antarctica/Troll (by two hours) on one day a year. There each window
reaches over both showings of its own hour, as the platform's row does. Every change of a clock since 2012 falls on a
whole quarter of an hour, but for three of Antarctica/Casey, a minute late: that quarter is named by its first minute.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord

QUARTER_MS = 900_000
DAY_QUARTERS = 96
AROUND = 16  # quarters; no clock is set back by more than three hours, and no local hour reaches further
FIRST_YEAR, LAST_YEAR = 1971, 9000  # `datetime` needs room on both sides
# Files of a zone directory that are no zone: the host's own, and those that count leap seconds.
NO_ZONE, NO_ZONE_PREFIX = frozenset({"localtime", "posixrules", "Factory"}), ("posix/", "right/")


@lru_cache(2048)
def zone_of(name: str) -> ZoneInfo:
    """Raises BadRecord(bad_zone, "zone")."""
    try:
        if name in NO_ZONE or name.startswith(NO_ZONE_PREFIX):
            raise KeyError(name)  # noqa: TRY301 - one refusal for every way a name can be wrong
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise BadRecord(BadRecordCode.BAD_ZONE, "zone", f"{name[:60]!r} is not an IANA time zone") from None


@lru_cache(1 << 16)
def day_bounds(zone: str, day: date) -> tuple[int, int]:
    """[start, end) of a calendar day; 23, 24 or 25 hours, or what the zone's history has.

    Raises BadRecord(bad_time, "date") for a day that the clock skips, BadRecord(bad_zone, "zone").
    """
    info = zone_of(zone)
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise BadRecord(BadRecordCode.BAD_TIME, "date", f"{day} is out of range")
    start_ms, end_ms = _midnight(info, day), _midnight(info, day + timedelta(days=1))
    if start_ms == end_ms:
        raise BadRecord(BadRecordCode.BAD_TIME, "date", f"there is no {day} in {zone}")
    return start_ms, end_ms


def _midnight(zone: ZoneInfo, day: date) -> int:
    """First instant of a local date. A zone may skip midnight itself: then the day begins behind the gap."""
    at = int(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).timestamp()) * 1000
    for start_ms in range(at - AROUND * QUARTER_MS, at + 2 * DAY_QUARTERS * QUARTER_MS, QUARTER_MS):
        if datetime.fromtimestamp(start_ms / 1000, zone).date() >= day:
            return start_ms
    raise AssertionError(f"no instant of {day} in {zone}")


@lru_cache(1 << 16)
def hour_bounds(zone: str, day: date, hour: int) -> tuple[int, int]:
    """[start, end) of a local hour, over both showings of a repeated one.

    Raises BadRecord(bad_time, "hour") for an hour that the clock skips; else as `day_bounds`.
    """
    start_ms, end_ms = day_bounds(zone, day)
    info = zone_of(zone)
    shown: list[int] = []
    for at_ms in range(start_ms, end_ms + AROUND * QUARTER_MS, QUARTER_MS):
        local = datetime.fromtimestamp(at_ms / 1000, info)
        if local.hour == hour and local.date() == day:
            shown.append(at_ms)
    if not shown:
        raise BadRecord(BadRecordCode.BAD_TIME, "hour", f"{day} has no hour {hour} in {zone}")
    return shown[0], shown[-1] + QUARTER_MS


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
