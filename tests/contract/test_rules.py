"""What holds for every kind of rule, and for every default rule, before its author writes a test."""

import pickle
from typing import Any

import pytest

from pipeline.alerts.registry import RULE_KINDS
from pipeline.alerts.rule import NOT_ENOUGH, Finding, Verdict
from pipeline.alerts.rule_file import rules_from_toml
from pipeline.alerts.series import DAY_WIDTH, FIRST_MEASURE, HOUR_WIDTH, REVENUE, Series
from schemas.rule import KINDS, BudgetRule, Rule
from tests.judged import HOUR_MS, MIDNIGHT
from tests.rules_text import DEFAULT_RULES

RULES = rules_from_toml(DEFAULT_RULES)
NORMAL = (20_000, 1_600, 1_280_000_000, 80_000_000, 6_400_000_000)  # CTR 8 %, CPC 0.80, CVR 5 %, ROAS 5


def judged(rule: Rule, rows: list[tuple[int, ...]], budget: int = -1) -> list[Finding]:
    kind: Any = RULE_KINDS[rule.kind](rule)
    is_day = isinstance(rule, BudgetRule)
    series, codes, found = Series(DAY_WIDTH if is_day else HOUR_WIDTH), bytearray(), []
    for number, measures in enumerate(rows):
        start = MIDNIGHT + number * HOUR_MS
        extra = (budget, 0) if is_day else ()
        series.insert((start, start + HOUR_MS, 1, start + HOUR_MS, 0, *measures, *extra), local_hour=number % 24)
        found.append(kind.judge(series, number, codes))
        codes.append(found[-1].code)
    return found


every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.id))


def test_the_registry_and_the_schema_name_the_same_kinds() -> None:
    assert set(RULE_KINDS) == set(KINDS)
    assert {rule.kind for rule in RULES} == set(KINDS)


@every_rule
def test_nothing_known_is_not_enough_data(rule: Rule) -> None:
    (finding,) = judged(rule, [(0, 0, 0, 0, 0)])
    assert finding.verdict is Verdict.NOT_ENOUGH_DATA
    assert finding.code == NOT_ENOUGH


@every_rule
def test_a_constant_healthy_history_is_never_firing(rule: Rule) -> None:
    findings = judged(rule, [NORMAL] * 400, budget=10**12)
    assert {finding.verdict for finding in findings} <= {Verdict.QUIET, Verdict.NOT_ENOUGH_DATA}
    assert findings[-1].verdict is Verdict.QUIET


@every_rule
def test_it_can_fire(rule: Rule) -> None:
    changes = {
        "budget_warning": (0, 0, 950_000_000_000, 0, 0),
        "budget_exceeded": (0, 0, 10**12, 0, 0),
        "low_ctr": (200_000, 1_600, *NORMAL[2:]),
        "high_cpc": (20_000, 1_600, 50_000_000_000, *NORMAL[3:]),
        "low_roas": (20_000, 1_600, 500_000_000_000, *NORMAL[3:]),
        "low_roas_counted": (20_000, 1_600, 500_000_000_000, *NORMAL[3:]),
        "anomaly_spend": (20_000, 1_600, 10_000_000_000, *NORMAL[3:]),
        "anomaly_impressions": (1_000, 80, 64_000_000, 4_000_000, 320_000_000),
        "anomaly_ctr": (20_000, 200, 160_000_000, 10_000_000, 800_000_000),
        "anomaly_cpc": (20_000, 1_600, 6_000_000_000, *NORMAL[3:]),
        "anomaly_cvr": (20_000, 1_600, 1_280_000_000, 0, 0),
    }
    finding = judged(rule, [*[NORMAL] * 300, changes[rule.id]], budget=10**12)[-1]
    assert finding.verdict is Verdict.FIRING
    assert finding.direction in (1, -1)
    assert finding.limit is not None
    assert finding.observed is not None


@every_rule
def test_the_same_series_gives_the_same_finding_and_is_left_as_it_was(rule: Rule) -> None:
    kind: Any = RULE_KINDS[rule.kind](rule)
    series = Series(DAY_WIDTH if isinstance(rule, BudgetRule) else HOUR_WIDTH)
    width = len(series.columns)
    for number in range(30):
        fields = [MIDNIGHT + number * HOUR_MS, MIDNIGHT + (number + 1) * HOUR_MS, 1, 0, 0, *NORMAL, 10**12, 0][:width]
        series.insert(fields, local_hour=number % 24)
    before, codes = pickle.dumps(series.dump()), bytearray(29)
    assert kind.judge(series, 29, codes) == kind.judge(series, 29, codes)
    assert pickle.dumps(series.dump()) == before
    assert codes == bytearray(29)


@every_rule
def test_a_column_outside_of_its_inputs_does_not_matter(rule: Rule) -> None:
    kind: Any = RULE_KINDS[rule.kind](rule)
    if isinstance(rule, BudgetRule):
        assert not hasattr(kind, "inputs")
        return
    others = [column for column in range(FIRST_MEASURE, REVENUE + 1) if column not in kind.inputs]
    assert others
    changed = tuple(value * (3 if column in others else 1) for column, value in enumerate(NORMAL, FIRST_MEASURE))
    plain, other = judged(rule, [NORMAL] * 60)[-1], judged(rule, [*[NORMAL] * 59, changed])[-1]
    assert (plain.verdict, plain.observed, plain.score) == (other.verdict, other.observed, other.score)
