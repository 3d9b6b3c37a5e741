"""Which days are read again, run after run."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.lookback import DAY_MS, MAX_DAYS, WEEK_MS, Lookback, ReadTimes

LOOKBACK = Lookback(every_run=1, daily=7, weekly=30)
TODAY = date(2026, 11, 21)
NOW_MS = 1_795_262_400_000
HOUR_MS = 3_600_000


def days(last: ReadTimes | None, last_day: date | None = TODAY) -> int:
    return (TODAY - LOOKBACK.since(TODAY, NOW_MS, last, last_day)).days


def test_the_first_run_reads_a_week() -> None:
    assert days(None, None) == 7


@pytest.mark.parametrize(
    ("daily_ago_ms", "weekly_ago_ms", "expected"),
    [
        (0, 0, 1),
        (DAY_MS - 1, DAY_MS - 1, 1),
        (DAY_MS, DAY_MS, 7),
        (DAY_MS - 1, WEEK_MS - 1, 1),
        (DAY_MS - 1, WEEK_MS, 30),
        (DAY_MS, WEEK_MS, 30),
    ],
)
def test_then_yesterday_and_today_a_week_daily_and_a_month_weekly(
    daily_ago_ms: int, weekly_ago_ms: int, expected: int
) -> None:
    assert days(ReadTimes(NOW_MS, NOW_MS - daily_ago_ms, NOW_MS - weekly_ago_ms)) == expected


@pytest.mark.parametrize(("away", "expected"), [(3, 7), (6, 7), (20, 30), (40, 41), (1000, MAX_DAYS)])
def test_an_absence_leaves_no_gap(away: int, expected: int) -> None:
    ago_ms = NOW_MS - away * DAY_MS
    assert days(ReadTimes(ago_ms, ago_ms, ago_ms), TODAY - timedelta(days=away)) == expected


def test_a_read_counts_as_what_its_span_covers() -> None:
    last = ReadTimes(1, 2, 3)
    spans = {n: LOOKBACK.times(TODAY - timedelta(days=n), TODAY, NOW_MS, last) for n in (1, 7, 30)}
    assert spans[1] == ReadTimes(NOW_MS, 2, 3)
    assert spans[7] == ReadTimes(NOW_MS, NOW_MS, 3)
    assert spans[30] == ReadTimes(NOW_MS, NOW_MS, NOW_MS)
    assert LOOKBACK.times(TODAY, TODAY, NOW_MS, None) == ReadTimes(NOW_MS, NOW_MS, NOW_MS)


@given(st.lists(st.integers(1, 12 * 24), min_size=5, max_size=60))
def test_over_any_run_of_waits_no_day_is_left_out_and_each_span_has_its_turn(waits_h: list[int]) -> None:
    now_ms, last, day_of_last = NOW_MS, None, None
    read: set[date] = set()
    for wait_h in waits_h:
        today = date(1970, 1, 1) + timedelta(days=now_ms // DAY_MS)
        since = LOOKBACK.since(today, now_ms, last, day_of_last)
        read |= {since + timedelta(days=n) for n in range((today - since).days + 1)}
        last, day_of_last = LOOKBACK.times(since, today, now_ms, last), today
        assert now_ms - last.daily_ms < DAY_MS
        assert now_ms - last.weekly_ms < WEEK_MS
        now_ms += wait_h * HOUR_MS
    assert (max(read) - min(read)).days + 1 == len(read)
