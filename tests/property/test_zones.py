"""Hours and days of every zone tile the time without a gap or an overlap, over every change of its clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.zones import day_at, hour_at

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
# A clock that goes back by more than an hour, or from a quarter past, shows two hours in turn: their windows reach into
# one another. The examples are the same in every run.
SET_BACK_FAR = {
    "Pacific/Chatham",
    "NZ-CHAT",
    "Antarctica/Troll",
    "Antarctica/Casey",
    "Antarctica/Vostok",
    "Asia/Chita",
    "Asia/Magadan",
}
ZONES = sorted(available_timezones() - {"localtime", "Factory"} - SET_BACK_FAR)


def noon_ms(year: int) -> int:
    return int(datetime(year, 1, 1, 12, tzinfo=UTC).timestamp() * 1000)


def change_after(zone: str, at_ms: int) -> int:
    """About when the clock next changes, within a year; else the instant itself."""
    info = ZoneInfo(zone)
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    for number in range(366):
        day = at + timedelta(days=number)
        if day.astimezone(info).utcoffset() != (day + timedelta(days=1)).astimezone(info).utcoffset():
            return int(day.timestamp() * 1000)
    return at_ms


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.sampled_from(ZONES), st.integers(2012, 2036))
@example("America/Sao_Paulo", 2017)  # midnight is skipped
@example("Asia/Beirut", 2026)
@example("Australia/Lord_Howe", 2026)  # by half an hour
@example("Pacific/Apia", 2012)
@example("Africa/Cairo", 2026)  # the last hour of a day comes twice
@example("Europe/Berlin", 2026)
def test_walking_from_hour_to_hour_leaves_nothing_out_and_adds_up_to_the_days(zone: str, year: int) -> None:
    first_ms = change_after(zone, noon_ms(year)) - DAY_MS
    start_ms, end_ms = day_at(zone, first_ms)
    for _ in range(4):
        at_ms, hours = start_ms, 0
        while at_ms < end_ms:
            hour = hour_at(zone, at_ms)
            assert hour[0] == at_ms
            assert hour == hour_at(zone, hour[1] - 1)
            assert 15 * MINUTE_MS <= hour[1] - hour[0] <= 2 * HOUR_MS
            at_ms, hours = hour[1], hours + 1
        assert at_ms == end_ms
        assert 22 <= hours <= 24
        before_ms = end_ms
        start_ms, end_ms = day_at(zone, end_ms)
        assert start_ms == before_ms


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from(ZONES), st.integers(noon_ms(2012), noon_ms(2036)))
def test_every_instant_of_a_window_is_of_that_window(zone: str, at_ms: int) -> None:
    for window_at in (hour_at, day_at):
        start_ms, end_ms = window_at(zone, at_ms)
        assert start_ms <= at_ms < end_ms
        for inside_ms in (start_ms, (start_ms + end_ms) // 2, end_ms - 1):
            assert window_at(zone, inside_ms) == (start_ms, end_ms)
        assert window_at(zone, start_ms - 1)[1] == start_ms
        assert window_at(zone, end_ms)[0] == end_ms
