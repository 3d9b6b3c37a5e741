"""Days and hours of an account's clock, on the days on which clocks change."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from pipeline.zones import day_at, day_bounds, hour_at, hour_bounds, zone_of

HOUR_MS = 3_600_000
ZONES = sorted(available_timezones() - {"localtime", "Factory"})
# Clocks that, going back, show two hours in turn: by more than an hour, or across a full one. Some did so once only.
IN_TURN = {"Pacific/Chatham", "NZ-CHAT", "Antarctica/Troll"}
IN_TURN_ONCE = {"Antarctica/Casey", "Antarctica/Davis", "Antarctica/Vostok", "Asia/Chita", "Asia/Magadan"}
LATE_BY_A_MINUTE = {"Antarctica/Casey"}


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def hours_of(zone: str, day: date) -> list[tuple[int, int]]:
    found = []
    for hour in range(24):
        try:
            found.append(hour_bounds(zone, day, hour))
        except BadRecord:
            continue  # the clock skips it
    return found


def changes(zone: str, year: int) -> list[date]:
    """Local days of that year on which the offset changes, and the day before and behind."""
    info = ZoneInfo(zone)
    days = [datetime(year, 1, 1, 12, tzinfo=UTC) + timedelta(days=n) for n in range(366)]
    offsets = [at.astimezone(info).utcoffset() for at in days]
    at_change = [n for n in range(1, 366) if offsets[n] != offsets[n - 1]]
    return [days[n + around].date() for n in at_change for around in (-1, 0, 1) if n + around < 366]


@pytest.mark.parametrize(
    ("zone", "day", "start", "end"),
    [
        ("UTC", date(2026, 11, 21), "2026-11-21T00:00", "2026-11-22T00:00"),
        ("Europe/Berlin", date(2026, 3, 29), "2026-03-28T23:00", "2026-03-29T22:00"),
        ("Europe/Berlin", date(2026, 10, 25), "2026-10-24T22:00", "2026-10-25T23:00"),
        ("Asia/Kolkata", date(2026, 11, 21), "2026-11-20T18:30", "2026-11-21T18:30"),
        ("Asia/Kathmandu", date(2026, 11, 21), "2026-11-20T18:15", "2026-11-21T18:15"),
        ("Australia/Lord_Howe", date(2026, 4, 5), "2026-04-04T13:00", "2026-04-05T13:30"),
        ("Asia/Beirut", date(2026, 3, 29), "2026-03-28T22:00", "2026-03-29T21:00"),  # 00:00 is skipped
        ("Africa/Cairo", date(2026, 10, 29), "2026-10-28T21:00", "2026-10-29T22:00"),  # 23:00 comes twice
        ("Pacific/Apia", date(2011, 12, 31), "2011-12-30T10:00", "2011-12-31T10:00"),
    ],
)
def test_a_day_is_as_long_as_the_clock_makes_it(zone: str, day: date, start: str, end: str) -> None:
    assert day_bounds(zone, day) == (ms(start), ms(end))


@pytest.mark.parametrize(
    ("zone", "day", "hour", "start", "end"),
    [
        ("Europe/Berlin", date(2026, 10, 25), 1, "2026-10-24T23:00", "2026-10-25T00:00"),
        ("Europe/Berlin", date(2026, 10, 25), 2, "2026-10-25T00:00", "2026-10-25T02:00"),
        ("Europe/Berlin", date(2026, 10, 25), 3, "2026-10-25T02:00", "2026-10-25T03:00"),
        ("Asia/Kolkata", date(2026, 11, 21), 0, "2026-11-20T18:30", "2026-11-20T19:30"),
        ("Australia/Lord_Howe", date(2026, 4, 5), 1, "2026-04-04T14:00", "2026-04-04T15:30"),
        ("Australia/Lord_Howe", date(2026, 10, 4), 2, "2026-10-03T15:30", "2026-10-03T16:00"),
        ("Africa/Cairo", date(2026, 10, 29), 23, "2026-10-29T20:00", "2026-10-29T22:00"),
        ("Pacific/Chatham", date(2026, 4, 5), 2, "2026-04-04T12:15", "2026-04-04T14:15"),
        ("Pacific/Chatham", date(2026, 4, 5), 3, "2026-04-04T13:15", "2026-04-04T15:15"),
        ("Antarctica/Troll", date(2026, 10, 25), 1, "2026-10-24T23:00", "2026-10-25T02:00"),
    ],
)
def test_an_hour_reaches_over_both_its_showings(zone: str, day: date, hour: int, start: str, end: str) -> None:
    assert hour_bounds(zone, day, hour) == (ms(start), ms(end))


@pytest.mark.parametrize(
    ("zone", "day", "hour"),
    [
        ("Europe/Berlin", date(2026, 3, 29), 2),
        ("America/New_York", date(2026, 3, 8), 2),
        ("Asia/Beirut", date(2026, 3, 29), 0),
        ("UTC", date(2026, 3, 29), 24),
    ],
)
def test_an_hour_that_the_clock_skips_is_refused(zone: str, day: date, hour: int) -> None:
    with pytest.raises(BadRecord) as refused:
        hour_bounds(zone, day, hour)
    assert (refused.value.code, refused.value.field) == (BadRecordCode.BAD_TIME, "hour")


@pytest.mark.parametrize("day", [date(2011, 12, 30), date(9999, 12, 31), date(1, 1, 1)])
def test_a_day_that_the_clock_skips_or_no_clock_shows_is_refused(day: date) -> None:
    with pytest.raises(BadRecord) as refused:
        day_bounds("Pacific/Apia", day)
    assert (refused.value.code, refused.value.field) == (BadRecordCode.BAD_TIME, "date")


@pytest.mark.parametrize(
    "name",
    ["", "Europe/Nowhere", "../../etc/passwd", "/etc/localtime", "Europe", "a\0b", "localtime", "Factory", "right/UTC"],
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(BadRecord) as refused:
        zone_of(name)
    assert (refused.value.code, refused.value.field) == (BadRecordCode.BAD_ZONE, "zone")


def test_an_hour_is_named_by_its_date_too() -> None:
    # St. John's went back at one minute past midnight, to 23:01 of the day before: that is no hour of the new day.
    late = hour_bounds("America/St_Johns", date(2010, 11, 7), 23)
    assert late == (ms("2010-11-08T02:30"), ms("2010-11-08T03:30"))


@given(st.sampled_from(ZONES), st.integers(2012, 2036))
@settings(max_examples=150, deadline=None)
def test_the_hours_of_a_day_cover_it_without_a_gap_or_an_overlap(zone: str, year: int) -> None:
    for day in [*changes(zone, year), date(year, 6, 15)]:
        try:
            start, end = day_bounds(zone, day)
        except BadRecord:
            continue
        hours = sorted(hours_of(zone, day))
        assert (hours[0][0], max(hour[1] for hour in hours)) == (start, end), (zone, day)
        for before, after in pairwise(hours):
            assert after[0] <= before[1], (zone, day)
            assert after[0] == before[1] or zone in IN_TURN | IN_TURN_ONCE, (zone, day)


@given(st.sampled_from(ZONES), st.integers(ms("2012-01-01T00:00"), ms("2037-01-01T00:00")))
@settings(max_examples=500, deadline=None)
def test_an_instant_lies_in_its_day_and_hour_and_carries_their_name(zone: str, at_ms: int) -> None:
    day, hour, local = day_at(zone, at_ms), hour_at(zone, at_ms), datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone))
    assert day[0] <= hour[0] <= at_ms < hour[1] <= day[1]
    if zone not in LATE_BY_A_MINUTE:
        assert day == day_bounds(zone, local.date())
        assert hour == hour_bounds(zone, local.date(), local.hour)


@given(st.sampled_from(ZONES), st.integers(2012, 2036))
@settings(max_examples=100, deadline=None)
def test_days_follow_one_another_without_a_gap(zone: str, year: int) -> None:
    for day in changes(zone, year):
        try:
            before, after = day_bounds(zone, day), day_bounds(zone, day + timedelta(days=1))
        except BadRecord:
            continue
        assert before[1] == after[0]
