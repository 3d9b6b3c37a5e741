"""Local days cut into hours, in zones that make it hard."""

from collections import Counter
from datetime import date

import pytest

from connectors.simulator.calendar import DAY_MS, HOUR_MS, day_end_ms, local_date, midnight_ms, slot_start_ms, slots
from connectors.simulator.figures import NOTHING
from connectors.simulator.market import Market
from connectors.simulator.market_settings import MarketSettings

SHORT, LONG = date(2026, 3, 29), date(2026, 10, 25)  # Berlin: clocks forward, clocks back


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", SHORT, 23),
        ("Europe/Berlin", LONG, 25),
        ("America/New_York", date(2026, 3, 8), 23),
        ("America/New_York", date(2026, 11, 1), 25),
        ("Asia/Kolkata", LONG, 24),
    ],
)
def test_a_local_day_has_as_many_real_hours_as_the_clock_makes_it(zone: str, day: date, hours: int) -> None:
    cut = slots(zone, day)
    assert len(cut) == hours
    assert cut[0].start_ms == midnight_ms(zone, day)
    assert cut[-1].start_ms + HOUR_MS == day_end_ms(zone, day)
    assert {slot.day for slot in cut} == {day.isoformat()}


def test_the_skipped_hour_is_missing_and_the_doubled_one_is_there_twice() -> None:
    assert 2 not in {slot.hour for slot in slots("Europe/Berlin", SHORT)}
    assert Counter(slot.hour for slot in slots("Europe/Berlin", LONG))[2] == 2


def test_a_half_hour_zone_starts_its_hours_at_half_past() -> None:
    assert {slot.start_ms % HOUR_MS for slot in slots("Asia/Kolkata", LONG)} == {HOUR_MS // 2}
    start_ms = slots("Asia/Kolkata", LONG)[5].start_ms
    assert slot_start_ms("Asia/Kolkata", start_ms) == start_ms
    assert slot_start_ms("Asia/Kolkata", start_ms - 1) == start_ms - HOUR_MS
    assert slot_start_ms("Asia/Kolkata", start_ms + HOUR_MS - 1) == start_ms


def test_the_instant_of_midnight_belongs_to_the_new_day() -> None:
    midnight = midnight_ms("Asia/Kolkata", LONG)
    assert local_date("Asia/Kolkata", midnight) == LONG
    assert local_date("Asia/Kolkata", midnight - 1) == date(2026, 10, 24)


@pytest.mark.parametrize(("day", "labels"), [(SHORT, 23), (LONG, 24)])
def test_the_market_delivers_every_real_hour_of_a_changing_day_once(day: date, labels: int) -> None:
    market = Market(MarketSettings(anchor_ms=midnight_ms("Europe/Berlin", day) + 10 * DAY_MS, restated_per_mille=0))
    campaign = next(c for c in market.campaigns if c.account.zone == "Europe/Berlin" and c.stop_ms is None)
    as_of_ms = market.settings.anchor_ms
    by_label = market.hours(campaign, day, as_of_ms)
    assert len(by_label) == labels
    real = [market.slot(campaign, slot, as_of_ms) for slot in slots("Europe/Berlin", day)]
    assert all(figures != NOTHING for figures in real)
    assert sum(f.cost_micros for f in real) == market.day(campaign, day, as_of_ms).cost_micros
    if day == LONG:
        twice = [f for f, slot in zip(real, slots("Europe/Berlin", day), strict=True) if slot.hour == 2]
        assert by_label[2] == twice[0].plus(twice[1])
