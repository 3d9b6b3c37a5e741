"""Campaigns that share a budget: their spend together is judged, whatever is repeated or restated."""

import json
from typing import Any

from pipeline.alerts.rule_file import rules_from_toml
from pipeline.alerts.shared_budget_state import SharedBudgets
from pipeline.changelog import HEADER
from schemas.topics import ALERTS_BUDGET, DEAD_LETTERS
from tests.partition import MemoryPartition, Rec

HOUR_MS = 3_600_000
START = 1_790_000_000_000 - 1_790_000_000_000 % (24 * HOUR_MS)
RULES = rules_from_toml('[[rule]]\nid = "budget_exceeded"\nkind = "budget"\nseverity = "high"\nshare_percent = 100\n')


def make() -> SharedBudgets:
    return SharedBudgets(RULES, 0, project_of=lambda *_: "p")


def day(offset: int, campaign: str, spend: int, *, hour: int, version: int | None = None, final: bool = False) -> Rec:
    body = {
        "campaign_key": f"google_ads:1:{campaign}",
        "basis": "reported",
        "start_ms": START,
        "end_ms": START + 24 * HOUR_MS,
        "zone": "UTC",
        "currency": "EUR",
        "spend_micros": spend * 1_000_000,
        "as_of_ms": START + hour * HOUR_MS,
        "revision": 0,
        "is_final": final,
        "version": version or 4 * (offset + 1),
        "budget_id": "5",
        "daily_budget_micros": 100_000_000,
    }
    return Rec(offset, START + hour * HOUR_MS, b"google_ads:1:budget:5", json.dumps(body).encode())


STREAM = [
    day(0, "a", 40, hour=9),
    day(1, "b", 50, hour=10),
    day(2, "a", 70, hour=11),  # together 120
    day(3, "a", 40, hour=9, version=4),  # what came first, once more
    day(4, "a", 70, hour=28, final=True),
    day(5, "b", 50, hour=28, final=True),  # the day is over for both
    day(6, "b", 20, hour=52, final=True),  # restated: together 90
]
EXPECTED = [("firing", 120.0), ("resolved", 120.0), ("retracted", 90.0)]


def transitions(partition: MemoryPartition) -> list[tuple[str, float]]:
    alerts: dict[str, Any] = {}
    for topic, _, value in partition.outputs:
        if topic == ALERTS_BUDGET:
            alert = json.loads(value)
            assert alerts.setdefault(alert["event_id"], alert) == alert
    return [(alert["transition"], alert["current_value"]) for alert in alerts.values()]


def test_the_sum_is_judged_and_follows_restatements() -> None:
    partition = MemoryPartition(make)
    partition.run(STREAM)
    assert transitions(partition) == EXPECTED


def test_a_crash_between_any_two_writes_changes_no_alert() -> None:
    for cut in range(1, len(STREAM)):
        for death in range(14):
            partition = MemoryPartition(make)
            partition.run(STREAM, cuts=[cut], deaths=[death])
            assert transitions(partition) == EXPECTED, (cut, death)


def test_the_header_is_the_last_row_that_is_kept() -> None:
    state = make()
    state.count(STREAM)
    keys = [key for key, row in state.take().rows if row is not None]
    assert keys[-1] == HEADER


def test_what_is_no_day_is_a_dead_letter() -> None:
    state = make()
    state.count([Rec(0, START, b"k", b"{")])
    taken = state.take()
    assert [json.loads(value)["code"] for topic, _, value in taken.outputs if topic == DEAD_LETTERS] == ["malformed"]
