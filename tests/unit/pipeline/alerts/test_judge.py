"""The judge as a stage: what it drops, refuses, keeps and publishes."""

import json
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from pipeline.alerts.judge import Judge
from pipeline.alerts.rule_file import rules_from_toml
from pipeline.changelog import HEADER
from schemas.alert import Alert
from schemas.dead_letter import DeadLetter
from schemas.public_event import BudgetExceeded, MetricsUpdated, PerformanceAlert, PerformanceThreshold
from schemas.topics import ALERT_TOPICS, ALERTS_BUDGET, DEAD_LETTERS, EVENTS_CAMPAIGN
from schemas.total import Total
from tests.judged import BUDGETS, DAY_MS, HOUR_MS, MIDNIGHT, TotalsLog, make_judge, outputs, rule
from tests.partition import Rec
from tests.rules_text import DEFAULT_RULES

EVENT_MODELS: dict[str, type[BaseModel]] = {
    "campaign.metrics_updated": MetricsUpdated,
    "campaign.performance_alert": PerformanceAlert,
    "campaign.budget_exceeded": BudgetExceeded,
    "campaign.performance_threshold": PerformanceThreshold,
}
RULES = rules_from_toml(DEFAULT_RULES)


def eventful() -> TotalsLog:
    """Ten days of a healthy campaign on both bases, then ill in every way; a budget exceeded, and restated."""
    log = TotalsLog()
    healthy = {"impressions": 20_000, "clicks": 1_600, "spend": 1_280, "conversions": 80, "revenue": 6_400}
    sick = {"impressions": 20_000, "clicks": 300, "spend": 1_280, "conversions": 1, "revenue": 10}
    for number in range(-240, 40):
        for basis, kind in (("reported", "report_complete"), ("counted", "tick")):
            log.hour(number, basis=basis, **(healthy if number < 0 else sick))
            if number > -3:
                log.checkpoint_after(number, kind=kind)
    log.day(hour=9, spend=960, budget=1000)
    log.day(hour=12, spend=1500, budget=1000)
    log.day(hour=25, spend=1600, budget=1000, is_final=True)
    log.day(hour=30, spend=1700, budget=1000, is_final=True)
    log.day(hour=31, spend=700, budget=1000, is_final=True)
    log.hour(5, **healthy)
    log.checkpoint_after(40)
    return log


def test_every_output_is_valid_against_its_published_model_and_has_every_field() -> None:
    seen = set()
    for topic, key, value in outputs(RULES, eventful()):
        assert key == b"google_ads:acc:c1"
        if topic in ALERT_TOPICS:
            model: type[BaseModel] = Alert
            seen.add((topic, value["transition"]))
            assert topic == f"alerts.{value['kind']}"
            assert value["project_id"] == "project of acc"
            assert value["link"] == f"https://pulse/alerts/{value['alert_id']}"
            assert value["message"]
        else:
            assert topic == EVENTS_CAMPAIGN
            model = EVENT_MODELS[value["event_type"]]
            seen.add((topic, value["event_type"]))
        parsed = model.model_validate(value)
        assert json.loads(parsed.model_dump_json()) == value
        assert set(value) == set(model.model_fields)
    assert {(topic, "firing") for topic in ALERT_TOPICS} <= seen
    assert {(EVENTS_CAMPAIGN, name) for name in EVENT_MODELS} <= seen
    assert {(ALERTS_BUDGET, name) for name in ("resolved", "amended", "retracted")} <= seen


def test_the_evidence_names_a_total_that_was_read() -> None:
    log = eventful()
    versions = {}
    for record in log.records:
        if record.key is not None:
            total = Total.model_validate_json(record.value or b"")
            versions[total.total_id, total.version] = total
    for topic, _, value in outputs(RULES, log):
        if topic in ALERT_TOPICS:
            evidence = value["evidence"]
            total = versions[evidence["total_id"], evidence["total_version"]]
            assert (total.start_ms, total.end_ms) == (value["window_start_ms"], value["window_end_ms"])
            assert total.as_of_ms == evidence["as_of_ms"]


def test_sequences_are_gapless_per_campaign_and_ids_are_unique() -> None:
    log = TotalsLog()
    for campaign in ("c1", "c2"):
        log.day(hour=12, spend=110, budget=100, campaign=campaign)
        log.checkpoint(MIDNIGHT + 12 * HOUR_MS)
        log.day(hour=25, spend=120, budget=100, campaign=campaign, is_final=True)
    log.checkpoint(MIDNIGHT + 26 * HOUR_MS)
    events = [value for topic, _, value in outputs(BUDGETS, log) if topic == EVENTS_CAMPAIGN]
    for campaign in ("c1", "c2"):
        sequences = [event["sequence"] for event in events if event["campaign_id"] == campaign]
        assert sequences == list(range(1, len(sequences) + 1))
    assert len({event["event_id"] for event in events}) == len(events)


def test_a_firing_budget_is_told_in_the_public_shapes_too() -> None:
    log = TotalsLog()
    log.day(hour=12, spend=125, budget=100)
    log.day(hour=25, spend=130, budget=100, is_final=True)
    found = [(value["event_type"], value) for topic, _, value in outputs(BUDGETS[1:], log) if topic == EVENTS_CAMPAIGN]
    assert [name for name, _ in found] == ["campaign.performance_alert", "campaign.budget_exceeded"]
    exceeded = found[1][1]
    figures = (exceeded["budget_limit"], exceeded["current_spend"], exceeded["percentage_exceeded"])
    assert figures == (100.0, 125.0, 25.0)
    assert exceeded["timestamp"] == "2026-11-21T11:00:00.000Z"
    assert found[0][1]["alert"]["alertType"] == "budget_exceeded"


def updates(log: TotalsLog) -> list[dict[str, Any]]:
    events = [value for topic, _, value in outputs((), log) if topic == EVENTS_CAMPAIGN]
    assert {event["event_type"] for event in events} <= {"campaign.metrics_updated"}
    return [event["metrics"] for event in events]


def test_a_reported_day_that_changed_is_told_at_the_checkpoint_once() -> None:
    log = TotalsLog()
    log.day(hour=12, impressions=1000, clicks=50, spend=40, conversions=2.5, revenue=100)
    log.day(hour=13, impressions=2000, clicks=100, spend=80, conversions=2.5, revenue=100)
    assert updates(log) == []
    log.checkpoint(MIDNIGHT + 13 * HOUR_MS)
    log.checkpoint(MIDNIGHT + 14 * HOUR_MS)
    (metrics,) = updates(log)
    assert metrics == {
        "campaignId": "c1", "campaignName": "Brand", "platform": "google_ads", "impressions": 2000, "clicks": 100,
        "spend": 80.0, "conversions": 2.5, "revenue": 100.0, "ctr": 5.0, "cpc": 0.8, "cpm": 40.0, "roas": 1.25,
        "timestamp": "2026-11-21T12:00:00.000Z", "date": "2026-11-21",
    }  # fmt: skip


def test_a_day_published_again_with_the_same_figures_is_no_update() -> None:
    log = TotalsLog()
    log.day(hour=12, impressions=1000)
    log.checkpoint(MIDNIGHT + 12 * HOUR_MS)
    log.day(hour=25, impressions=1000, is_final=True)
    log.checkpoint(MIDNIGHT + 25 * HOUR_MS)
    assert len(updates(log)) == 1


def test_days_beyond_the_look_back_are_no_update() -> None:
    log = TotalsLog()
    log.day(-20, hour=30, impressions=1000, is_final=True)
    log.checkpoint(MIDNIGHT)
    assert updates(log) == []


def test_counted_hours_are_told_as_the_date_so_far() -> None:
    log = TotalsLog()
    for number in (-1, 0, 1):  # 23:00 belongs to 20 November
        log.hour(number, impressions=100, basis="counted")
        log.checkpoint_after(number, kind="tick")
    assert [(m["date"], m["impressions"]) for m in updates(log)] == [
        ("2026-11-20", 100), ("2026-11-21", 100), ("2026-11-21", 200),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        (b"google_ads:acc:c1|||reported|1d|1795215600", b"{", "malformed"),
        (b"google_ads:acc:c1|||reported|1d|1795215600", b'{"total_id": 1}', "malformed"),
        (None, b'{"checkpoint": "tick"}', "malformed"),
    ],
)
def test_what_cannot_be_read_is_a_dead_letter_and_the_rest_goes_on(key: bytes | None, value: bytes, code: str) -> None:
    judge = make_judge(BUDGETS)
    log = TotalsLog()
    log.day(hour=12, spend=110, budget=100)
    judge.count([Rec(0, 7, key, value), Rec(1, 7, log.records[0].key, log.records[0].value)])
    taken = judge.take()
    topic, _, written = next(iter(taken.outputs))
    assert topic == DEAD_LETTERS
    letter = DeadLetter.model_validate_json(written)
    assert (letter.code, letter.stage, letter.offset) == (code, "judge", 0)
    assert ALERTS_BUDGET in {topic for topic, _, _ in taken.outputs}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"total_id": "google_ads:acc:c1|||reported|1d|1"}, "wrong_key"),
        ({"window": "1h", "is_final": True}, "wrong_key"),
        ({"zone": "Europe/Atlantis"}, "bad_zone"),
        ({"zone": "../etc"}, "bad_zone"),
        ({"spend_micros": 10**19}, "bad_value"),
        ({"end_ms": MIDNIGHT}, "bad_value"),
        ({"basis": "guessed"}, "malformed"),
    ],
)
def test_a_total_that_contradicts_itself_is_a_dead_letter(change: dict[str, Any], code: str) -> None:
    log = TotalsLog()
    record = log.day(hour=12, spend=110, budget=100)
    value = json.dumps({**json.loads(record.value or b""), **change}).encode()
    judge = make_judge(BUDGETS)
    judge.count([Rec(0, 0, record.key, value)])
    taken = judge.take()
    assert [topic for topic, _, _ in taken.outputs] == [DEAD_LETTERS]
    assert json.loads(next(iter(taken.outputs))[2])["code"] == code
    assert [key for key, _ in taken.rows] == [HEADER]


def test_received_is_emitted_and_dropped_and_dead() -> None:
    judge, log = make_judge(RULES), eventful()
    log.total("5m", MIDNIGHT, MIDNIGHT + 300_000)
    log.hour(50, is_final=False)
    log.repeat(log.records[0])
    log.records.append(Rec(len(log.records), 0, b"x|||reported|1d|0", b"{"))
    log.records.append(Rec(len(log.records), 0, b"google_ads:acc:c1|g|a|reported|1d|0", b"not read"))
    judge.count(log.records)
    tallies = judge.tallies()
    assert tallies["received", ""] == len(log.records)
    assert sum(n for (kind, _), n in tallies.items() if kind != "received") == len(log.records)
    assert tallies["dead", "malformed"] == 1
    assert tallies["dropped", "stale_revision"] == 1
    assert tallies["dropped", "not_judged"] == 3
    assert judge.tallies() == {}


def test_an_idle_judge_hands_over_nothing() -> None:
    judge = make_judge(RULES)
    judge.count(eventful().records)
    assert judge.pending > 0
    judge.take()
    assert judge.pending == 0
    again = judge.take()
    assert (again.outputs, again.rows) == ([], [])


def test_the_header_is_the_last_row_and_says_how_far_the_judge_has_come() -> None:
    judge = Judge(BUDGETS, 3, project_of=lambda *_: "p", topic_id="topic-1")
    log = TotalsLog()
    log.day(hour=12, spend=10, budget=100)
    log.checkpoint(MIDNIGHT)
    judge.count(log.records)
    taken = judge.take()
    *_, (key, row) = taken.rows
    assert key == HEADER
    assert row is not None
    assert row[:4] == [2, 1, 1, "topic-1"]
    assert taken.upto == 1


def test_rows_stay_bounded_whatever_the_length_of_the_run() -> None:
    judge, log, sizes, fed = make_judge(RULES), TotalsLog(), [], 0
    for day in range(130):
        for number in range(day * 24, day * 24 + 24):
            log.hour(number, impressions=20_000, clicks=900, spend=500)
        log.day(day, hour=25, spend=150, budget=100, is_final=True)
        log.checkpoint_after(day * 24 + 23)
        judge.count(log.records[fed:])
        fed = len(log.records)
        sizes.append(sum(len(msgspec.msgpack.encode(row)) for _, row in judge.take().rows))
    assert sizes[-1] < 80_000
    assert max(sizes[100:]) <= 1.01 * sizes[99]


def test_a_campaign_that_is_silent_for_long_keeps_only_its_sequence() -> None:
    judge, log = make_judge(BUDGETS), TotalsLog()
    log.day(hour=25, spend=150, budget=100, is_final=True)
    log.checkpoint(MIDNIGHT + 26 * HOUR_MS)
    log.checkpoint(MIDNIGHT + 200 * DAY_MS)
    judge.count(log.records)
    row = dict(judge.take().rows)[b"google_ads:acc:c1"]
    assert row is not None
    assert row[1] == 4  # two alerts, a budget exceeded, an update of metrics
    assert row[5] == []


def test_a_rule_that_reads_otherwise_ends_what_it_said_before() -> None:
    log = TotalsLog()
    for number in range(3):
        log.hour(number, impressions=1000, clicks=40)
        log.checkpoint_after(number)
    first = make_judge([rule("threshold", metric="ctr", below=5.0)])
    first.count(log.records)
    rows = [(key, row) for key, row in first.take().rows if row is not None]
    second = Judge([rule("threshold", metric="ctr", below=4.5)], 0, project_of=lambda *_: "p")
    second.load(rows, counted_to=len(log.records) - 1)
    log.hour(3, impressions=1000, clicks=40)
    log.checkpoint_after(3)
    second.count(log.records)
    found = [json.loads(value) for topic, _, value in second.take().outputs if topic in ALERT_TOPICS]
    assert [(a["transition"], a["threshold"]) for a in found] == [("resolved", 4.5), ("firing", 4.5)]
    assert "rule" in found[0]["message"]
    assert found[0]["alert_id"] != found[1]["alert_id"]
