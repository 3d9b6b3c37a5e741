"""The life of a budget alert. Budget 100; the numbers on the line are the spend as known at that hour."""

import pytest

from tests.judged import BUDGETS, MIDNIGHT, TotalsLog, alerts, told, transitions

EXCEEDED = BUDGETS[1:]


def test_warns_at_ninety_and_exceeds_at_a_hundred_percent() -> None:
    # 09:00   12:00   15:00   18:00
    #  89.99   90.00   99.99  100.00
    log = TotalsLog()
    for hour, spend in ((9, 89.999999), (12, 90), (15, 99.999999), (18, 100)):
        log.day(hour=hour, spend=spend, budget=100)
    found = alerts(BUDGETS, log)
    assert [(a["rule_id"], a["current_value"]) for a in found] == [("budget_warning", 90.0), ("budget_exceeded", 100.0)]
    assert [a["severity"] for a in found] == ["medium", "high"]
    assert found[1]["evidence"]["numerator"] == found[1]["evidence"]["denominator"] == 100_000_000


def test_says_so_once_while_the_day_grows_and_resolves_when_it_is_over() -> None:
    log = TotalsLog()
    for hour, spend in ((9, 101), (12, 120), (15, 140)):
        log.day(hour=hour, spend=spend, budget=100)
    assert transitions(EXCEEDED, log) == ["firing"]
    log.day(hour=25, spend=150, budget=100, is_final=True)
    found = alerts(EXCEEDED, log)
    assert [a["transition"] for a in found] == ["firing", "resolved"]
    assert found[1]["current_value"] == 150.0
    assert "21 Nov is over" in found[1]["message"]
    assert "€150.00" in found[1]["message"]
    assert found[0]["alert_id"] == found[1]["alert_id"]
    assert found[0]["event_id"] != found[1]["event_id"]
    assert [a["version"] for a in found] == [1, 2]


def test_a_restated_day_below_the_limit_is_retracted_with_both_figures() -> None:
    log = TotalsLog()
    log.day(hour=20, spend=133, budget=100)
    log.day(hour=25, spend=134, budget=100, is_final=True)
    log.day(hour=40, spend=80, budget=100, is_final=True)
    found = alerts(EXCEEDED, log)
    assert [a["transition"] for a in found] == ["firing", "resolved", "retracted"]
    assert (found[2]["previous_value"], found[2]["current_value"]) == (134.0, 80.0)
    assert "€80.00" in found[2]["message"]
    assert "€134.00" in found[2]["message"]


def test_a_restated_day_still_above_the_limit_is_amended_with_both_figures() -> None:
    log = TotalsLog()
    log.day(hour=25, spend=161, budget=100, is_final=True)
    log.day(hour=40, spend=132, budget=100, is_final=True)
    found = alerts(EXCEEDED, log)
    assert [a["transition"] for a in found] == ["firing", "resolved", "amended"]
    assert (found[2]["previous_value"], found[2]["current_value"]) == (161.0, 132.0)


def test_a_new_version_with_the_same_figures_is_no_event() -> None:
    log = TotalsLog()
    log.day(hour=25, spend=161, budget=100, is_final=True)
    log.day(hour=90, spend=161, budget=100, is_final=True)
    assert transitions(EXCEEDED, log) == ["firing", "resolved"]


def test_a_fall_below_the_limit_within_the_day_is_retracted_and_a_later_rise_is_a_new_episode() -> None:
    log = TotalsLog()
    for hour, spend in ((12, 110), (13, 95), (14, 96), (18, 105)):
        log.day(hour=hour, spend=spend, budget=100)
    found = alerts(EXCEEDED, log)
    assert [a["transition"] for a in found] == ["firing", "retracted", "firing"]
    assert found[0]["alert_id"] == found[1]["alert_id"] != found[2]["alert_id"]


def test_a_budget_raised_above_the_spend_resolves_and_does_not_retract() -> None:
    log = TotalsLog()
    for hour, spend, budget in ((12, 110, 100), (13, 112, 200), (20, 201, 200)):
        log.day(hour=hour, spend=spend, budget=budget)
    found = alerts(EXCEEDED, log)
    assert [a["transition"] for a in found] == ["firing", "resolved", "firing"]
    assert "now €200.00" in found[1]["message"]


def test_a_budget_that_is_gone_resolves() -> None:
    log = TotalsLog()
    log.day(hour=12, spend=110, budget=100)
    log.day(hour=13, spend=112)
    found = alerts(EXCEEDED, log)
    assert [a["transition"] for a in found] == ["firing", "resolved"]
    assert "no daily budget" in found[1]["message"]


@pytest.mark.parametrize(("hours_after", "expected"), [(48, ["firing", "resolved"]), (48.01, [])])
def test_a_day_first_seen_later_than_max_age_is_history(hours_after: float, expected: list[str]) -> None:
    log = TotalsLog()
    log.day(hour=24 + hours_after, spend=150, budget=100, is_final=True)
    assert transitions(EXCEEDED, log) == expected


def test_an_old_alert_is_still_retracted_long_after() -> None:
    log = TotalsLog()
    log.day(hour=25, spend=150, budget=100, is_final=True)
    log.day(hour=24 * 60, spend=50, budget=100, is_final=True)
    assert transitions(EXCEEDED, log) == ["firing", "resolved", "retracted"]


def test_campaigns_under_a_shared_budget_raise_no_alert_of_their_own() -> None:
    log = TotalsLog()
    log.day(hour=12, spend=500, budget=100, shared=True)
    assert told(BUDGETS, log) == []


def test_the_budget_day_is_the_day_of_the_account_also_when_it_has_25_hours() -> None:
    log = TotalsLog()
    log.day(-27, hour=24, spend=100, budget=100)  # 25 October: the clocks go back, an hour is left
    (found,) = alerts(EXCEEDED, log)
    assert found["window_end_ms"] - found["window_start_ms"] == 25 * 3_600_000
    assert found["spend_at_risk_micros"] == 4_166_666  # 100 in 24 of 25 hours


def test_spend_at_risk_is_the_projected_overspend() -> None:
    log = TotalsLog()
    log.day(hour=12, spend=110, budget=100)
    (found,) = alerts(EXCEEDED, log)
    assert found["spend_at_risk_micros"] == 120_000_000
    assert "At this pace the day ends at €220.00." in found["message"]
    assert "12:00 on 21 Nov (Europe/Berlin)" in found["message"]
    assert found["window_start_ms"] == MIDNIGHT
    assert found["at_ms"] == MIDNIGHT + 12 * 3_600_000


def test_an_older_version_after_a_newer_one_changes_nothing() -> None:
    log = TotalsLog()
    older = log.day(hour=12, spend=90, budget=100)
    log.day(hour=13, spend=110, budget=100)
    log.repeat(older)
    assert transitions(EXCEEDED, log) == ["firing"]


def test_a_micro_below_the_limit_is_below() -> None:
    log = TotalsLog()
    log.day(hour=12, spend=33.333332, budget=33.333333)
    assert transitions(EXCEEDED, log) == []
    log.day(hour=13, spend=33.333333, budget=33.333333)
    assert transitions(EXCEEDED, log) == ["firing"]
