"""A restated day on real parts, and what a consumer with another Kafka client gets to read."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer
from jsonschema import Draft202012Validator

from schemas.topics import ALERT_TOPICS, EVENTS_CAMPAIGN
from tests.google_rows import GoogleRows
from tests.system import System, system

SCHEMAS = Path(__file__).parents[2] / "schemas" / "json"
BUDGET = 100_000_000
BELOW, ABOVE = "700001", "700002"
SHARING = ("700003", "700007")  # of different partitions


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Two campaigns exceed their budget of 18 November; on the 20th the platform takes spend back."""
    with system(tmp_path_factory.mktemp("restated")) as running:
        running.workers(1)
        running.start("sink", "sink")
        rows = GoogleRows()
        for campaign in (BELOW, ABOVE):
            rows.entity(campaign, budget_micros=BUDGET, at_ms=at("2026-11-18 08:00"))
            rows.day(campaign, "2026-11-18", at_ms=at("2026-11-18 09:00"), spend_micros=80_000_000)
            rows.day(campaign, "2026-11-18", at_ms=at("2026-11-18 20:00"), spend_micros=130_000_000)
            rows.day(campaign, "2026-11-18", at_ms=at("2026-11-19 09:00"), spend_micros=140_000_000)
        for campaign in SHARING:
            rows.entity(campaign, budget_micros=BUDGET, at_ms=at("2026-11-18 08:00"), shared="500")
            rows.day(campaign, "2026-11-18", at_ms=at("2026-11-18 20:00"), spend_micros=60_000_000)
            rows.day(campaign, "2026-11-18", at_ms=at("2026-11-19 09:00"), spend_micros=60_000_000)
        rows.complete("campaign_day", "2026-11-18", "2026-11-19", at_ms=at("2026-11-19 09:00"))
        rows.day(BELOW, "2026-11-18", at_ms=at("2026-11-20 09:00"), spend_micros=70_000_000)
        rows.day(ABOVE, "2026-11-18", at_ms=at("2026-11-20 09:00"), spend_micros=115_000_000)
        rows.complete("campaign_day", "2026-11-18", "2026-11-20", at_ms=at("2026-11-20 09:00"))
        running.produce(rows.take())
        running.drain()
        rows.day(SHARING[1], "2026-11-18", at_ms=at("2026-11-20 09:00"), spend_micros=30_000_000)
        running.produce(rows.take())
        running.drain()
        yield running


def transitions(running: System, campaign: str) -> list[tuple[str, float | None, float]]:
    found = running.sql(
        "SELECT transition, previous_value, current_value FROM alert_history FINAL "
        "WHERE campaign_id = {campaign:String} AND rule_id = 'budget_exceeded' ORDER BY version",
        campaign=campaign,
    )
    return [(row["transition"], row["previous_value"], row["current_value"]) for row in found]


def test_restated_below_the_limit_the_alert_is_retracted_with_old_and_new_figure(running: System) -> None:
    assert [name for name, _, _ in transitions(running, BELOW)] == ["firing", "resolved", "retracted"]
    assert transitions(running, BELOW)[-1] == ("retracted", 140.0, 70.0)


def test_restated_but_still_above_the_alert_is_amended(running: System) -> None:
    assert [name for name, _, _ in transitions(running, ABOVE)] == ["firing", "resolved", "amended"]
    assert transitions(running, ABOVE)[-1] == ("amended", 140.0, 115.0)


def test_the_view_as_known_at_shows_both_days(running: System) -> None:
    then = (
        "SELECT spend_micros FROM totals_as_known_at(t = {t:String}) WHERE campaign_id = {c:String} AND window = '1d'"
    )
    figures = [
        running.sql(then, t=moment, c=BELOW)[0]["spend_micros"]
        for moment in ("2026-11-18 10:00:00", "2026-11-19 12:00:00", "2026-11-20 12:00:00")
    ]
    assert figures == [80_000_000, 140_000_000, 70_000_000]


def test_a_shared_budget_is_judged_on_the_sum_of_its_campaigns_and_no_campaign_alone(running: System) -> None:
    assert transitions(running, "budget-500") == [
        ("firing", None, 120.0),
        ("resolved", None, 120.0),
        ("retracted", 120.0, 90.0),
    ]
    assert [transitions(running, campaign) for campaign in SHARING] == [[], []]


def validator(topic: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / f"{topic}.json").read_text()))


def consume(running: System, *topics: str) -> list[tuple[str, bytes, dict[str, Any]]]:
    """As a downstream service would: subscribe, read, stop when nothing comes."""
    consumer = Consumer(
        {"bootstrap.servers": running.kafka.address, "group.id": "downstream", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(list(topics))
    found, quiet = [], 0
    while quiet < 10:
        message = consumer.poll(0.5)
        if message is None:
            quiet += 1
            continue
        assert message.error() is None
        found.append((message.topic() or "", message.key() or b"", json.loads(message.value() or b"")))
        quiet = 0
    consumer.close()
    return found


def test_a_consumer_with_another_client_finds_every_message_as_the_schema_says(running: System) -> None:
    messages = consume(running, *ALERT_TOPICS, EVENTS_CAMPAIGN)
    assert {topic for topic, _, _ in messages} >= {"alerts.budget", EVENTS_CAMPAIGN}
    for topic, key, body in messages:
        validator(topic).validate(body)
        assert key.decode().startswith("google_ads:")
    ids = [body["event_id"] for _, _, body in messages]
    assert len(ids) == len(set(ids))


def test_the_public_events_of_a_campaign_are_numbered_without_a_gap(running: System) -> None:
    events = [json.loads(message.value or b"") for message in running.read(EVENTS_CAMPAIGN)]
    for campaign in (BELOW, ABOVE):
        numbers = [event["sequence"] for event in events if event["campaign_id"] == campaign]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= 2


def test_the_recount_agrees(running: System) -> None:
    found = running.verify()
    assert (found["lost"], found["duplicated"], found["drift_micros"], found["differences"]) == (0, 0, 0, [])
    assert found["checked"] > 0
