"""Series rules at checkpoints. CTR limit 5 %, clear from 5.5 %; a letter an hour: b breaches, h holds, c is clear."""

import json
from typing import Any

import pytest

from pipeline.changelog import HEADER
from schemas.rule import Rule
from schemas.topics import ALERT_TOPICS
from tests.judged import HOUR_MS, MIDNIGHT, TotalsLog, alerts, make_judge, rule, transitions

CTR = {"b": 40, "h": 52, "c": 60}  # clicks of 1000 impressions


def low_ctr(**keys: Any) -> list[Rule]:
    figures = {"metric": "ctr", "below": 5.0, "resolve": 5.5, "min_volume": {"impressions": 1000}, **keys}
    return [rule("threshold", id="low_ctr", **figures)]


def hours(log: TotalsLog, letters: str, *, first: int = 0, together: bool = False) -> TotalsLog:
    for number, letter in enumerate(letters, first):
        if letter != ".":
            log.hour(number, impressions=1000, clicks=CTR[letter], spend=10)
        if not together:
            log.checkpoint_after(number)
    if together:
        log.checkpoint_after(first + len(letters) - 1)
    return log


@pytest.mark.parametrize(
    ("letters", "keys", "expected"),
    [
        ("ccbbcc", {}, ["firing", "resolved"]),
        ("ccbcbcbb", {"for_windows": 2}, ["firing"]),
        ("bchbhb", {"for_windows": 2}, []),
        ("bbhbhbhhbhc", {}, ["firing", "resolved"]),
        ("bcbcbcc", {"resolve_windows": 2}, ["firing", "resolved"]),
        ("hhhhhh", {}, []),
    ],
)
def test_fires_and_resolves_as_the_rule_says(letters: str, keys: dict[str, Any], expected: list[str]) -> None:
    assert transitions(low_ctr(**keys), hours(TotalsLog(), letters)) == expected


def test_one_noisy_series_around_the_limit_gives_one_firing_and_one_resolved() -> None:
    rules = low_ctr(span_h=6, for_windows=2, resolve_windows=2)
    assert transitions(rules, hours(TotalsLog(), "cccccc" + "hbbhbhbbhbhbbbhb" * 3 + "cccccccc")) == [
        "firing", "resolved",
    ]  # fmt: skip


def test_the_span_is_summed_and_says_so() -> None:
    (found,) = alerts(low_ctr(span_h=3), hours(TotalsLog(), "bbb", together=True))
    assert (found["evidence"]["numerator"], found["evidence"]["denominator"]) == (120, 3000)
    assert found["current_value"] == 4.0
    assert found["threshold"] == 5.0
    assert found["spend_at_risk_micros"] == 30_000_000
    assert "4.00 %, below 5.00 %, in the 3 hours to 03:00 on 21 Nov (Europe/Berlin)" in found["message"]
    assert "120 clicks of 3,000 impressions" in found["message"]


def test_too_little_volume_is_neither_a_breach_nor_a_recovery() -> None:
    log = hours(TotalsLog(), "b")
    log.hour(1, impressions=999, clicks=999)
    log.checkpoint_after(1)
    assert transitions(low_ctr(), log) == ["firing"]


def test_nothing_is_judged_before_the_checkpoint() -> None:
    log = TotalsLog()
    log.hour(0, impressions=1000, clicks=40)
    assert transitions(low_ctr(), log) == []


def test_a_checkpoint_of_the_other_basis_judges_nothing() -> None:
    log = TotalsLog()
    log.hour(0, impressions=1000, clicks=40)
    log.checkpoint_after(0, kind="tick")
    assert transitions(low_ctr(), log) == []


def test_hours_that_are_not_final_are_not_judged() -> None:
    log = TotalsLog()
    log.hour(0, impressions=1000, clicks=40, is_final=False)
    log.checkpoint_after(0)
    assert transitions(low_ctr(), log) == []


def test_a_restated_hour_that_breaches_no_more_is_retracted_with_both_figures() -> None:
    log = hours(TotalsLog(), "ccb")
    log.hour(2, impressions=1000, clicks=70)
    log.checkpoint_after(3)
    found = alerts(low_ctr(), log)
    assert [a["transition"] for a in found] == ["firing", "retracted"]
    assert (found[1]["previous_value"], found[1]["current_value"]) == (4.0, 7.0)
    assert "7.00 %, not 4.00 %" in found[1]["message"]


def test_a_resolved_alert_is_retracted_too() -> None:
    log = hours(TotalsLog(), "cbc")
    log.hour(1, impressions=1000, clicks=70)
    log.checkpoint_after(3)
    assert transitions(low_ctr(), log) == ["firing", "resolved", "retracted"]


@pytest.mark.parametrize(("clicks", "expected"), [(36, ["firing", "amended"]), (37, ["firing"]), (43, ["firing"])])
def test_a_restated_figure_is_amended_when_it_moved_enough(clicks: int, expected: list[str]) -> None:
    log = hours(TotalsLog(), "b")
    log.hour(0, impressions=1000, clicks=clicks)
    log.checkpoint_after(1)
    assert transitions(low_ctr(amend_percent=9.0), log) == expected


def test_an_opening_that_moves_by_an_hour_is_the_same_alert() -> None:
    log = hours(TotalsLog(), "cbb")
    log.hour(1, impressions=1000, clicks=60)
    log.checkpoint_after(3)
    log = hours(log, "c", first=4)
    found = alerts(low_ctr(), log)
    assert [a["transition"] for a in found] == ["firing", "resolved"]
    assert len({a["alert_id"] for a in found}) == 1


def test_an_end_that_is_restated_away_opens_another_episode() -> None:
    log = hours(TotalsLog(), "bc")
    log.hour(1, impressions=1000, clicks=40)
    log.checkpoint_after(2)
    found = alerts(low_ctr(), log)
    assert [a["transition"] for a in found] == ["firing", "resolved", "firing"]
    assert found[2]["alert_id"] != found[0]["alert_id"]


def test_history_is_baseline_and_not_news() -> None:
    log = TotalsLog()
    log.hour(-60, impressions=1000, clicks=40)
    log.hour(-59, impressions=1000, clicks=60)
    log.hour(0, impressions=1000, clicks=60)
    log.checkpoint_after(0)
    assert transitions(low_ctr(), log) == []


def test_what_has_gone_on_for_days_and_still_does_is_news() -> None:
    log = hours(TotalsLog(), "b" * 100, first=-99, together=True)
    (found,) = alerts(low_ctr(), log)
    assert found["window_start_ms"] == MIDNIGHT  # the figure of the last hour


def test_silence_ends_an_alert() -> None:
    log = hours(TotalsLog(), "b")
    log.checkpoint(MIDNIGHT + 24 * HOUR_MS)
    assert transitions(low_ctr(stale_h=24), log) == ["firing"]
    log.checkpoint(MIDNIGHT + 27 * HOUR_MS)
    found = alerts(low_ctr(stale_h=24), log)
    assert [a["transition"] for a in found] == ["firing", "resolved"]
    assert "no longer be judged" in found[1]["message"]


def test_young_hours_wait_until_they_are_mature() -> None:
    rules = [rule("threshold", metric="roas", below=2.0, mature_after_h=24, max_age_h=72)]
    log = TotalsLog()
    log.hour(0, spend=100, revenue=100)
    log.checkpoint(MIDNIGHT + 10 * HOUR_MS)
    log.hour(0, spend=100, revenue=150)
    log.checkpoint(MIDNIGHT + 20 * HOUR_MS)
    assert transitions(rules, log) == []
    log.checkpoint(MIDNIGHT + 26 * HOUR_MS)
    (found,) = alerts(rules, log)
    assert found["current_value"] == 1.5
    assert found["spend_at_risk_micros"] == 25_000_000


def test_a_repeated_checkpoint_is_ignored() -> None:
    log = TotalsLog()
    first = log.checkpoint(MIDNIGHT)
    log.hour(0, impressions=1000, clicks=40)
    log.repeat(first)
    assert transitions(low_ctr(), log) == []


def test_an_episode_outlives_the_windows_it_began_in() -> None:
    rules = low_ctr()
    log = hours(TotalsLog(), "b" * (24 * 23))
    assert transitions(rules, log) == ["firing"]
    assert transitions(rules, hours(log, "c" * 72, first=24 * 23)) == ["firing", "resolved"]


def test_an_episode_outlives_them_across_restarts_too() -> None:
    log, rules, rows, found = TotalsLog(), low_ctr(), dict[bytes, Any](), list[str]()
    for day in range(23):
        hours(log, {0: "b", 22: "c"}.get(day, "h") + ("c" if day == 22 else "h") * 23, first=day * 24)
        judge = make_judge(rules)
        judge.load(list(rows.items()), counted_to=rows[HEADER][2] if rows else -1)
        judge.count(log.records)
        taken = judge.take()
        rows |= dict(taken.rows)
        found += [json.loads(value)["transition"] for topic, _, value in taken.outputs if topic in ALERT_TOPICS]
    assert found == ["firing", "resolved"]


def test_a_rule_of_other_platforms_does_not_look() -> None:
    assert transitions(low_ctr(platforms=["meta"]), hours(TotalsLog(), "b")) == []
    assert transitions(low_ctr(bases=["counted"]), hours(TotalsLog(), "b")) == []
