"""A rule that is wrong or could never fire stops the start, with a sentence that says what to do."""

from typing import Any

import pytest

from pipeline.alerts.rule_file import parse_rules, rules_from_toml
from pipeline.errors import Misconfigured
from tests.rules_text import DEFAULT_RULES

THRESHOLD = {"id": "r", "kind": "threshold", "severity": "low", "metric": "ctr", "below": 5.0}
ANOMALY = {"id": "r", "kind": "anomaly", "severity": "low", "metric": "spend"}
BUDGET = {"id": "r", "kind": "budget", "severity": "low", "share_percent": 90}


def refusal(*rules: dict[str, Any]) -> str:
    with pytest.raises(Misconfigured) as caught:
        parse_rules({"rule": list(rules)})
    assert caught.value.code == "rule"
    return caught.value.detail


def test_the_default_rules_are_those_of_the_product() -> None:
    rules = {rule.id: rule for rule in rules_from_toml(DEFAULT_RULES)}
    assert rules["budget_warning"].model_dump()["share_percent"] == 90
    assert rules["budget_exceeded"].model_dump()["share_percent"] == 100
    assert rules["low_ctr"].model_dump()["below"] == 5.0
    assert rules["low_roas"].model_dump()["below"] == 2.0
    assert rules["high_cpc"].model_dump()["above"] == 2.0
    assert rules["anomaly_spend"].model_dump()["sigma"] == 3.0
    assert rules["low_roas_counted"].type == "low_roas"


def test_an_unknown_metric_is_refused_with_the_known_ones() -> None:
    said = refusal({**THRESHOLD, "metric": "ctrr"})
    assert "rule 'r': metric: 'ctrr' is not known" in said
    assert "spend, impressions, clicks, conversions, revenue, ctr, cvr, cpc, cpm, cpa, roas" in said


def test_an_unknown_kind_platform_or_key_is_refused() -> None:
    assert "known are budget, threshold, anomaly" in refusal({**BUDGET, "kind": "bugdet"})
    assert "known are google_ads, meta, " in refusal({**BUDGET, "platforms": ["google"]})
    assert "sahre" in refusal({**BUDGET, "sahre": 1})
    assert "rule number 1: id" in refusal({key: value for key, value in BUDGET.items() if key != "id"})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({**THRESHOLD, "below": 0.0}, "never below 0"),
        ({**THRESHOLD, "below": None}, "`below` or `above`"),
        ({**THRESHOLD, "above": 3.0}, "`below` or `above`"),
        ({**THRESHOLD, "below": None, "above": 100.0}, "never above 100"),
        ({**THRESHOLD, "resolve": 4.9}, "over before it began"),
        ({**THRESHOLD, "below": None, "above": 5.0, "resolve": 6.0}, "over before it began"),
        ({**THRESHOLD, "below": None, "above": 5.0, "resolve": -1.0}, "never be over"),
        ({**THRESHOLD, "below": float("nan")}, "finite"),
        ({**THRESHOLD, "mature_after_h": 48}, "mature_after_h 48 must be less than max_age_h 48"),
        ({**THRESHOLD, "for_windows": 169}, "at most 168"),
        ({**THRESHOLD, "window": "5m"}, "window 5m is never judged"),
        ({**BUDGET, "window": "1h"}, "window 1h is never judged"),
        ({**BUDGET, "share_percent": 0}, "share_percent"),
        ({**ANOMALY, "resolve_sigma": 4.0}, "must not be above sigma"),
        ({**ANOMALY, "at_once_sigma": 2.5}, "must not be below sigma"),
        ({**ANOMALY, "direction": "down", "floor_percent": 34.0}, "reaches below zero"),
    ],
)
def test_a_rule_that_could_never_fire_or_never_end_is_refused(wrong: dict[str, Any], words: str) -> None:
    assert words in refusal(wrong)


def test_two_rules_of_one_id_are_refused() -> None:
    assert "there twice" in refusal(BUDGET, BUDGET)


def test_what_is_not_toml_is_refused() -> None:
    with pytest.raises(Misconfigured, match="not TOML"):
        rules_from_toml("[[rule]")


def test_no_rules_at_all_are_allowed() -> None:
    assert parse_rules({}) == ()
