"""Anomalies through the judge. A healthy hour has 20,000 impressions, 1,600 clicks and 1,280 of spend."""

from typing import Any

from tests.judged import TotalsLog, alerts, rule, transitions

SPEND = [rule("anomaly", id="anomaly_spend", metric="spend", for_windows=2, resolve_windows=2)]
WOBBLE = (0.97, 1.02, 1.0, 0.99, 1.03, 0.98, 1.01)


def hours(log: TotalsLog, factors: list[float], *, first: int) -> TotalsLog:
    for number, factor in enumerate(factors, first):
        scaled = factor * WOBBLE[number % 7]
        log.hour(number, impressions=round(20_000 * scaled), clicks=round(1_600 * scaled), spend=1_280 * scaled)
        log.checkpoint_after(number)
    return log


def healthy(days: int) -> TotalsLog:
    return hours(TotalsLog(), [1.0] * 24 * days, first=-24 * days)


def test_a_spike_of_one_hour_is_told_at_once_with_what_was_expected() -> None:
    found = alerts(SPEND, hours(healthy(10), [6.0, 1.0, 1.0, 1.0], first=0))
    assert [a["transition"] for a in found] == ["firing", "resolved"]
    firing = found[0]
    assert 1_200 < firing["expected"] < 1_360
    assert firing["interval_low"] < firing["expected"] < firing["interval_high"] < firing["current_value"]
    assert firing["threshold"] == firing["interval_high"]
    assert firing["score"] > 6
    assert abs(firing["spend_at_risk_micros"] - 6.2e9) < 5e8
    assert "sigma above" in firing["message"]


def test_one_doubtful_hour_is_no_news_but_two_in_a_row_are() -> None:
    assert transitions(SPEND, hours(healthy(10), [1.25, 1.0, 1.25, 1.0, 1.0], first=0)) == []
    assert transitions(SPEND, hours(healthy(10), [1.25, 1.25, 1.0, 1.0], first=0)) == ["firing", "resolved"]


def test_a_spike_does_not_blind_the_baseline() -> None:
    log = hours(healthy(10), [6.0, 1.0, 1.0, 1.0], first=0)
    found = alerts(SPEND, hours(log, [6.0], first=24))
    assert [a["transition"] for a in found] == ["firing", "resolved", "firing"]
    assert abs(found[2]["expected"] - found[0]["expected"]) < 60


def test_a_new_level_is_told_once_and_then_is_the_norm() -> None:
    log = hours(healthy(10), [2.0] * 24 * 4, first=0)
    found = alerts(SPEND, log)
    assert [a["transition"] for a in found] == ["firing", "resolved"]
    assert "taken as its level" in found[1]["message"]
    assert transitions(SPEND, hours(log, [6.0], first=24 * 4))[2:] == ["firing"]


def test_a_stop_of_delivery_is_seen() -> None:
    found = alerts(SPEND, hours(healthy(10), [0.0, 0.0], first=0))
    assert [a["transition"] for a in found] == ["firing"]
    assert found[0]["score"] < -3
    assert found[0]["current_value"] == 0.0


def test_a_restated_spike_is_retracted() -> None:
    log = hours(healthy(10), [6.0], first=0)
    log.hour(0, impressions=20_000, clicks=1_600, spend=1_280)
    log.checkpoint_after(1)
    found = alerts(SPEND, log)
    assert [a["transition"] for a in found] == ["firing", "retracted"]
    assert found[1]["previous_value"] == found[0]["current_value"]
    assert found[1]["current_value"] == 1_280.0


def test_a_baseline_that_moves_a_little_does_not_take_an_alert_back() -> None:
    log = hours(healthy(10), [1.31, 1.31], first=0)
    assert transitions(SPEND, log) == ["firing"]
    for number in range(-150, -90):
        log.hour(number, impressions=21_000, clicks=1_700, spend=1_450)
    log.checkpoint_after(2)
    assert transitions(SPEND, log) == ["firing"]


def weekly(days: int) -> list[float]:
    """An office: weekends at two fifths, nights at a tenth; 21 November 2026 is a Saturday."""
    week = [0.4 if (day + 5) % 7 >= 5 else 1.0 for day in range(-days, 0)]
    return [level * (0.1 if hour < 7 else 1.0) for level in week for hour in range(24)]


def test_nights_and_weekends_are_no_anomaly_once_they_were_seen() -> None:
    days = 28
    rules = [*SPEND, rule("anomaly", id="ctr", metric="ctr", for_windows=2)]
    assert transitions(rules, hours(TotalsLog(), weekly(days), first=-24 * days)) == []


def test_a_few_conversions_prove_nothing() -> None:
    rules: Any = [rule("anomaly", metric="cvr", direction="down", min_volume={"clicks": 50})]
    log = TotalsLog()
    for number in range(-240, 6):
        log.hour(number, clicks=60, conversions=3 if number < 0 else 0)
        log.checkpoint_after(number)
    assert transitions(rules, log) == []
