"""Golden cases of every kind of rule: numbers in, verdict out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.alerts.registry import RULE_KINDS
from pipeline.alerts.rule import Finding
from pipeline.alerts.series import BUDGET, DAY_WIDTH, HOUR_WIDTH, Series
from tests.judged import HOUR_MS, MIDNIGHT, rule

GOLDEN = Path(__file__).resolve().parents[3] / "golden" / "alerts"
COLUMNS = ("impressions", "clicks", "spend_micros", "conversions_micros", "revenue_micros")


def flat(history: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for entry in history:
        for _ in range(entry["times"]):
            yield from flat(entry["of"]) if "of" in entry else [entry]


def finding_of(data: dict[str, Any], history: list[dict[str, Any]], latest: dict[str, Any]) -> Finding:
    kind = RULE_KINDS[data["kind"]](rule(**data))
    width = DAY_WIDTH if data["kind"] == "budget" else HOUR_WIDTH
    series, codes = Series(width), bytearray()
    for number, figures in enumerate([*flat(history), latest]):
        start = MIDNIGHT + number * HOUR_MS
        fields = [start, start + HOUR_MS, 1, start + HOUR_MS, 0, *(figures.get(name, 0) for name in COLUMNS)]
        if width > BUDGET:
            fields += [figures.get("budget_micros", -1), 0]
        series.insert(fields, local_hour=number % 24)
        finding = kind.judge(series, number, codes)
        codes.append(finding.code)
    return finding


def cases() -> Iterator[Any]:
    for file in sorted(GOLDEN.glob("*.json")):
        data = json.loads(file.read_text())
        for case in data["cases"]:
            yield pytest.param({"rule": data["rule"], **case}, id=f"{file.stem}: {case['case']}")


@pytest.mark.parametrize("case", cases())
def test_the_verdict_is_the_golden_one(case: dict[str, Any]) -> None:
    finding = finding_of(case["rule"], case.get("history", []), case["latest"])
    assert finding.verdict == case["verdict"]
    if "observed" in case:
        assert finding.observed == case["observed"]
    if "limit" in case:
        assert finding.limit == case["limit"]
    if "direction" in case:
        assert finding.direction == case["direction"]
    if "at_risk_micros" in case:
        assert finding.spend_at_risk_micros == case["at_risk_micros"]


def test_every_kind_has_golden_cases() -> None:
    assert {json.loads(file.read_text())["rule"]["kind"] for file in GOLDEN.glob("*.json")} == set(RULE_KINDS)
