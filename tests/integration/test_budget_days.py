"""Budget days on the days on which clocks change: totals to the micro and alerts per day, against figures by hand.

Every figure expected here is worked out from the account's wall clock as written beside it, not by our code.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.kafka import partition_of
from schemas.topics import RAW_EVENTS
from tests.google_rows import GoogleRows
from tests.system import Message, System, system

BUDGET = 30_000_000  # 30.00 a day
HOUR_MS = 3_600_000
RECEIVED_AFTER_MS = 5 * HOUR_MS  # behind the end of a day, when it is read once more and has settled


def at(text: str) -> int:
    """Unix ms of a UTC time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@dataclass(frozen=True)
class BudgetDay:
    """A local day, its bounds in UTC, and its hours as (name on the clock, start, end) in UTC."""

    campaign: str
    account: str
    zone: str
    currency: str
    date: str
    start: str
    end: str
    length_h: int
    odd_hours: dict[int, tuple[str, str]]  # hours that are not an hour long, or follow a jump; "" "" if there is none

    @property
    def hours(self) -> list[tuple[int, int, int]]:
        """(hour, start, end), in order."""
        found, start_ms = [], at(self.start)
        for hour in range(24):
            if hour in self.odd_hours:
                start, end = self.odd_hours[hour]
                if not start:
                    continue
                assert at(start) == start_ms
                end_ms = at(end)
            else:
                end_ms = start_ms + HOUR_MS
            found.append((hour, start_ms, end_ms))
            start_ms = end_ms
        assert start_ms == at(self.end)
        return found

    @property
    def spend(self) -> dict[int, int]:
        """Micros of each hour: a prime number of cents and a fraction, and twice that in an hour of two hours."""
        return {hour: 1_310_007 * (end - start) // HOUR_MS for hour, start, end in self.hours}


DAYS = (
    # Berlin goes from 02:00 to 03:00 on 29 March 2026: 23 hours, no hour 2.
    BudgetDay(
        "700001", "1000000001", "Europe/Berlin", "EUR", "2026-03-29", "2026-03-28 23:00", "2026-03-29 22:00", 23,
        {2: ("", "")},
    ),
    # and from 03:00 back to 02:00 on 25 October 2026: 25 hours, hour 2 comes twice, one row of two hours.
    BudgetDay(
        "700002", "1000000001", "Europe/Berlin", "EUR", "2026-10-25", "2026-10-24 22:00", "2026-10-25 23:00", 25,
        {2: ("2026-10-25 00:00", "2026-10-25 02:00")},
    ),
    # New York: 8 March 2026 from 02:00 to 03:00, 1 November 2026 from 02:00 back to 01:00.
    BudgetDay(
        "700003", "1000000002", "America/New_York", "USD", "2026-03-08", "2026-03-08 05:00", "2026-03-09 04:00", 23,
        {2: ("", "")},
    ),
    BudgetDay(
        "700004", "1000000002", "America/New_York", "USD", "2026-11-01", "2026-11-01 04:00", "2026-11-02 05:00", 25,
        {1: ("2026-11-01 05:00", "2026-11-01 07:00")},
    ),
    # Kolkata is five and a half hours ahead all year.
    BudgetDay(
        "700005", "1000000003", "Asia/Kolkata", "INR", "2026-10-25", "2026-10-24 18:30", "2026-10-25 18:30", 24, {}
    ),
)  # fmt: skip
BY_HAND = {  # 1.310007 an hour: 23, 25 and 24 hours of it
    "700001": 30_130_161,
    "700002": 32_750_175,
    "700003": 30_130_161,
    "700004": 32_750_175,
    "700005": 31_440_168,
}
IDS = [f"{day.zone} {day.date}" for day in DAYS]


def reported(day: BudgetDay) -> list[Message]:
    """The day read every hour, as it grows, and once more after it is over; and its neighbours, which spent little."""
    rows = GoogleRows(zone=day.zone, currency=day.currency, account=day.account)
    rows.entity(day.campaign, budget_micros=BUDGET, at_ms=at(day.start) - 20 * HOUR_MS)
    so_far = 0
    for hour, _, end_ms in day.hours:
        so_far += day.spend[hour]
        rows.hour(day.campaign, day.date, hour, at_ms=end_ms, spend_micros=day.spend[hour])
        rows.day(day.campaign, day.date, at_ms=end_ms, spend_micros=so_far)
    over_ms = at(day.end) + RECEIVED_AFTER_MS
    date = datetime.fromisoformat(day.date)
    before, after = (f"{date + timedelta(days=n):%Y-%m-%d}" for n in (-1, 1))
    for neighbour in (before, after):
        rows.day(day.campaign, neighbour, at_ms=over_ms, spend_micros=26_990_000)  # 89.97 %
    rows.day(day.campaign, day.date, at_ms=over_ms, spend_micros=so_far)
    rows.complete("campaign_hour", before, after, at_ms=over_ms)
    rows.complete("campaign_day", before, after, at_ms=over_ms)
    return rows.take()


def own_events(day: BudgetDay) -> list[Message]:
    """A click in the first and in the last millisecond of every real hour of the day, and one beyond on either side."""
    start_ms, end_ms = at(day.start), at(day.end)
    instants = [edge for at_ms in range(start_ms, end_ms, HOUR_MS) for edge in (at_ms, at_ms + HOUR_MS - 1)]
    return [_click(day, at_ms) for at_ms in (start_ms - 1, *instants, end_ms)]


def _click(day: BudgetDay, at_ms: int) -> Message:
    campaign = f"own{day.campaign}"
    key = f"meta:{day.account}:{campaign}".encode()
    body = {
        "event_id": f"{campaign}-{at_ms}", "platform": "meta", "account_id": day.account, "campaign_id": campaign,
        "at": at_ms, "type": "click", "spend_micros": 333_333, "currency": day.currency, "zone": day.zone,
    }  # fmt: skip
    return Message(RAW_EVENTS, partition_of(key, 4), -1, at_ms + 1000, key, json.dumps(body).encode())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with system(tmp_path_factory.mktemp("days")) as running:
        running.workers(1)
        running.start("sink", "sink")
        messages = [message for day in DAYS for message in reported(day)]
        messages += [message for day in DAYS for message in own_events(day)]
        last_ms = max(message.timestamp for message in messages)
        messages.sort(key=lambda message: message.timestamp)
        messages += [Message(RAW_EVENTS, number, -1, last_ms + 30 * HOUR_MS, None, None) for number in range(4)]
        running.produce(messages)
        running.drain()
        yield running


def totals(running: System, campaign: str, window: str, basis: str) -> dict[tuple[int, int], dict[str, Any]]:
    """(start, end) -> row."""
    found = running.sql(
        "SELECT toUnixTimestamp64Milli(start) AS start_ms, toUnixTimestamp64Milli(end) AS end_ms, "
        "toString(day) AS day, "
        " zone, currency, spend_micros, clicks, is_final FROM totals FINAL "
        "WHERE campaign_id = {c:String} AND window = {w:String} AND basis = {b:String} ORDER BY start",
        c=campaign,
        w=window,
        b=basis,
    )
    return {(row["start_ms"], row["end_ms"]): row for row in found}


@pytest.mark.parametrize("day", DAYS, ids=IDS)
def test_the_day_begins_and_ends_at_the_accounts_midnight_and_its_spend_is_right_to_the_micro(
    running: System, day: BudgetDay
) -> None:
    assert at(day.end) - at(day.start) == day.length_h * HOUR_MS
    found = totals(running, day.campaign, "1d", "reported")
    assert len(found) == 3
    total = found[at(day.start), at(day.end)]
    assert (total["day"], total["zone"], total["currency"]) == (day.date, day.zone, day.currency)
    assert total["spend_micros"] == BY_HAND[day.campaign]
    assert total["is_final"]


@pytest.mark.parametrize("day", DAYS, ids=IDS)
def test_the_hours_are_those_of_the_clock_and_add_up_to_the_day(running: System, day: BudgetDay) -> None:
    found = totals(running, day.campaign, "1h", "reported")
    assert list(found) == [(start_ms, end_ms) for _, start_ms, end_ms in day.hours]
    assert [row["spend_micros"] for row in found.values()] == [day.spend[hour] for hour, _, _ in day.hours]
    assert sum(row["spend_micros"] for row in found.values()) == BY_HAND[day.campaign]


def test_the_hour_that_comes_twice_is_one_window_of_two_hours_and_twice_the_money(running: System) -> None:
    berlin = totals(running, "700002", "1h", "reported")[at("2026-10-25 00:00"), at("2026-10-25 02:00")]
    new_york = totals(running, "700004", "1h", "reported")[at("2026-11-01 05:00"), at("2026-11-01 07:00")]
    assert (berlin["spend_micros"], new_york["spend_micros"]) == (2_620_014, 2_620_014)


@pytest.mark.parametrize("day", DAYS, ids=IDS)
def test_own_events_are_counted_in_the_same_days_and_hours(running: System, day: BudgetDay) -> None:
    campaign = f"own{day.campaign}"
    days = totals(running, campaign, "1d", "counted")
    whole = days[at(day.start), at(day.end)]
    clicks = {23: 46, 24: 48, 25: 50}[day.length_h]
    assert (whole["clicks"], whole["spend_micros"]) == (clicks, clicks * 333_333)
    assert [row["clicks"] for row in days.values()] == [1, clicks, 1]
    hours = totals(running, campaign, "1h", "counted")
    inside = {bounds: row for bounds, row in hours.items() if at(day.start) <= bounds[0] < at(day.end)}
    assert list(inside) == [(start_ms, end_ms) for _, start_ms, end_ms in day.hours]
    assert [row["clicks"] for row in inside.values()] == [
        2 * (end_ms - start_ms) // HOUR_MS for _, start_ms, end_ms in day.hours
    ]
    assert sum(row["spend_micros"] for row in inside.values()) == whole["spend_micros"]
    assert len(hours) == len(inside) + 2


@pytest.mark.parametrize("day", DAYS, ids=IDS)
def test_a_budget_alert_is_of_the_accounts_day_and_fires_at_the_hour_that_reached_it(
    running: System, day: BudgetDay
) -> None:
    found = running.sql(
        "SELECT rule_id, transition, toUnixTimestamp64Milli(window_start) AS start_ms, "
        "toUnixTimestamp64Milli(window_end) AS end_ms, toUnixTimestamp64Milli(at) AS at_ms, numerator, denominator, "
        "zone, currency, current_value FROM alert_history FINAL "
        "WHERE campaign_id = {c:String} AND kind = 'budget' ORDER BY rule_id, version",
        c=day.campaign,
    )
    assert {(row["start_ms"], row["end_ms"]) for row in found} == {(at(day.start), at(day.end))}
    assert {(row["zone"], row["currency"], row["denominator"]) for row in found} == {(day.zone, day.currency, BUDGET)}
    assert [(row["rule_id"], row["transition"]) for row in found] == [
        ("budget_exceeded", "firing"),
        ("budget_exceeded", "resolved"),
        ("budget_warning", "firing"),
        ("budget_warning", "resolved"),
    ]
    # 27.00 is passed by the 21st hour's worth of spend (27.510147), 30.00 by the 23rd (30.130161).
    exceeded, _, warning, _ = found
    assert (warning["numerator"], exceeded["numerator"]) == (27_510_147, 30_130_161)
    assert warning["at_ms"] == at(day.start) + 21 * HOUR_MS
    assert exceeded["at_ms"] == at(day.start) + 23 * HOUR_MS
    assert exceeded["current_value"] == pytest.approx(100.43387)


def test_the_recount_agrees(running: System) -> None:
    found = running.verify()
    assert (found["lost"], found["duplicated"], found["drift_micros"], found["differences"]) == (0, 0, 0, [])
    assert found["checked"] > 200
    assert found["not_comparable"] == 0
    assert running.sql("SELECT count() AS n FROM dead_letters FINAL")[0]["n"] == 0
