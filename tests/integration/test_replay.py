"""Two kinds of replay: again into the live state, which changes nothing, and into a new generation of it."""

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from agents.rebuild import rebuild
from agents.replay import RAW_TOPICS
from agents.stages import build_stages
from connectors.kafka_admin import admin
from connectors.lag import end_offsets
from pipeline import reported
from pipeline.normalize.google_ads import normalize
from schemas.facts import Entity, ReportComplete, Snapshot
from schemas.measures import SPEND
from schemas.topics import ALERT_TOPICS, EVENTS_CAMPAIGN, RAW_EVENTS, RAW_GOOGLE_ADS, TOTALS
from tests.bench.events import events
from tests.google_rows import GoogleRows
from tests.system import PROGRAM, Message, System, system

BUDGET = 100_000_000
CLEAN: tuple[int, int, int, list[object]] = (0, 0, 0, [])


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with system(tmp_path_factory.mktemp("replay"), {"PULSE_WORKER__SESSION_S": "3"}) as running:
        running.start("sink", "sink")
        running.workers(1)
        rows = GoogleRows()
        rows.entity("700001", budget_micros=BUDGET, at_ms=at("2026-11-18 08:00"))
        rows.day("700001", "2026-11-18", at_ms=at("2026-11-19 09:00"), spend_micros=70_000_000)
        rows.complete("campaign_day", "2026-11-18", "2026-11-19", at_ms=at("2026-11-19 09:00"))
        running.produce(rows.take())
        received = at("2026-11-19 10:00")
        own = [
            Message(RAW_EVENTS, number % 4, -1, received + number, f"meta:acc1:c{number % 4}".encode(), value)
            for number, value in enumerate(own_events(2_000))
        ]
        running.produce([*own, *(Message(RAW_EVENTS, p, -1, received + 90_000_000, None, None) for p in range(4))])
        running.drain()
        yield running


def own_events(count: int) -> Iterator[bytes]:
    for number, (_, value) in enumerate(events(count)):
        body = json.loads(value)
        body |= {"campaign_id": f"c{number % 4}", "at": at("2026-11-19 09:30") + number}
        yield json.dumps(body).encode()


def published(running: System) -> dict[str, int]:
    topics = (TOTALS, EVENTS_CAMPAIGN, *ALERT_TOPICS)
    found: dict[str, int] = dict.fromkeys(topics, 0)
    for (topic, _), end in end_offsets(admin(running.settings), topics, running.settings.partitions).items():
        found[topic] += end
    return found


def replay(running: System, *arguments: str) -> dict[str, Any]:
    """The command as a person runs it, while no worker runs."""
    running.supervisor.stop_part("worker-1")
    environment = {**running.environment, "PATH": "/usr/bin:/bin"}
    deadline = time.monotonic() + 30
    while True:  # the group has to notice first that its only member is gone
        done = subprocess.run(
            [*PROGRAM, "replay", "--json", "--data", str(running.directory), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 78 or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def check(running: System) -> None:
    found = running.verify()
    assert (found["lost"], found["duplicated"], found["drift_micros"], found["differences"]) == CLEAN


def test_the_raw_topics_read_again_change_no_total_and_deliver_no_alert(running: System) -> None:
    before = published(running)
    result = replay(running)
    assert result["records"] == 2_000 + 4 + 2 + 4
    running.supervisor.start_part("worker-1")
    running.drain()
    assert published(running) == before
    check(running)


def wrong_reading(value: bytes) -> Snapshot | Entity | ReportComplete:
    """A reading that took spend for twice what it is."""
    fact = normalize(value)
    if isinstance(fact, Snapshot):
        measures = list(fact.measures)
        measures[SPEND] *= 2
        return Snapshot(**{name: getattr(fact, name) for name in fact.__slots__} | {"measures": tuple(measures)})
    return fact


def test_after_a_mended_reading_totals_move_and_the_alert_that_lost_its_cause_is_retracted(
    running: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.supervisor.stop_part("worker-1")
    stages = [stage for stage in build_stages(running.settings) if stage.source in RAW_TOPICS]
    time.sleep(4)  # the group notices that its only member is gone
    with monkeypatch.context() as patch:
        patch.setattr(reported, "head_of", lambda _value: None)  # every record is read as a whole
        patch.setattr(reported, "normalize", wrong_reading)
        asyncio.run(rebuild(running.settings, stages))
    running.supervisor.start_part("worker-1")
    running.drain()
    assert budget_transitions(running) == ["firing", "resolved"]
    assert running.verify()["drift_micros"] == 70_000_000
    before = published(running)[TOTALS]

    result = replay(running, "--rebuild")
    assert {part["generation"] for part in result["rebuilt"]} == {2}
    assert result["published"] == 2  # the one day that differs, and its checkpoint
    running.supervisor.start_part("worker-1")
    running.drain()
    assert budget_transitions(running) == ["firing", "resolved", "retracted"]
    assert published(running)[TOTALS] == before + 2
    check(running)


def test_what_kafka_no_longer_keeps_is_rebuilt_from_the_stored_raw_rows(running: System) -> None:
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    client: AdminClient = admin(running.settings)
    ends = end_offsets(client, [RAW_EVENTS, RAW_GOOGLE_ADS], 4)
    half = [TopicPartition(topic, number, end // 2) for (topic, number), end in ends.items()]
    for answer in client.delete_records(half).values():
        answer.result(10)
    before = published(running)
    result = replay(running, "--rebuild")
    assert sum(part["from_store"] for part in result["rebuilt"]) > 900
    assert result["published"] == 0
    assert published(running) == before


def budget_transitions(running: System) -> list[str]:
    found = running.sql(
        "SELECT transition FROM alert_history FINAL WHERE rule_id = 'budget_exceeded' ORDER BY alert_id, version"
    )
    return [row["transition"] for row in found]
