"""Recorded files into a real broker: whole, once, gone on with, and paced."""

import asyncio
import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import pytest

from connectors.clock import Clock
from connectors.file_source import batches
from connectors.file_source.batches import ReplayOptions
from connectors.file_source.mapping import RowMapping, load_mapping
from connectors.file_source.replay import FileReplay, Replayed, ReplayTopics
from connectors.kafka_admin import ensure_topics
from connectors.settings import KafkaSettings, Settings
from pipeline import events
from schemas.topics import BY_NAME, CURSORS, DEAD_LETTERS, RAW_EVENTS
from tests.topic_records import records_of

ROOT = Path(__file__).parents[2]
OBD = ROOT / "tests" / "data" / "obd"
PARTITIONS = 4


@pytest.fixture
def settings(kafka_bootstrap: str) -> Settings:
    settings = Settings(kafka=KafkaSettings(bootstrap_servers=kafka_bootstrap), partitions=PARTITIONS)
    ensure_topics(settings, (BY_NAME[CURSORS],))
    return settings


@pytest.fixture
def topics(settings: Settings, topic_prefix: str) -> ReplayTopics:
    own = ReplayTopics(topic_prefix + RAW_EVENTS, topic_prefix + DEAD_LETTERS)
    kinds = ((own.events, RAW_EVENTS), (own.dead_letters, DEAD_LETTERS))
    ensure_topics(settings, tuple(replace(BY_NAME[kind], name=name) for name, kind in kinds))
    return own


@pytest.fixture
def mapping() -> RowMapping:
    return load_mapping(ROOT / "infra" / "mappings" / "obd.toml")


@pytest.fixture
def run(settings: Settings, topics: ReplayTopics) -> Any:
    async def run(path: Path, mapping: RowMapping | None = None, **options: Any) -> Replayed:
        stop = options.pop("stop", None)
        return await FileReplay(
            settings, Clock.real(), path, mapping, ReplayOptions(**options), topics=topics, stop=stop
        ).run()

    return run


def unique_csv(tmp_path: Path, topic_prefix: str, rows: int) -> Path:
    """A file no other test has a cursor for."""
    path = tmp_path / f"{topic_prefix.rstrip('.')}.csv"
    lines = [f"2019-11-24 00:00:{n % 60:02}+00:00,{n % 9},1,{int(n % 10 == 0)}" for n in range(rows)]
    path.write_text("\n".join(["timestamp,item_id,position,click", *lines]) + "\n")
    return path


async def test_the_recorded_impressions_and_clicks_are_all_there_and_a_second_run_changes_nothing(
    settings: Settings, topics: ReplayTopics, run: Any, mapping: RowMapping, tmp_path: Path, topic_prefix: str
) -> None:
    path = tmp_path / f"{topic_prefix}random_men.csv.gz"
    path.write_bytes((OBD / "random_men.csv.gz").read_bytes())
    first: Replayed = await run(path, mapping)
    assert astuple(first) == (10_000, 10_046, 0, 0, True)
    found = await records_of(settings, topics.events, ticks=True)
    ticks = [record for record in found if record.value is None]
    read = [events.read(record.value, record.timestamp) for record in found if record.value is not None]
    assert Counter(event.type for event in read) == {"impression": 10_000, "click": 46}
    assert len({event.event_id for event in read}) == 10_046
    assert sorted(record.partition for record in ticks) == list(range(PARTITIONS))

    second: Replayed = await run(path, mapping)
    assert astuple(second) == (0, 0, 0, 10_000, True)
    assert len(await records_of(settings, topics.events, ticks=True)) == len(found)

    third: Replayed = await run(path, mapping, again=True)
    assert (third.rows, third.events, third.skipped) == (10_000, 10_046, 0)
    again = [r.value for r in await records_of(settings, topics.events)]
    assert len({json.loads(value)["event_id"] for value in again}) == 10_046, "the same ids: nothing is counted twice"


async def test_a_run_that_was_stopped_is_gone_on_with_where_it_ended(
    settings: Settings,
    topics: ReplayTopics,
    mapping: RowMapping,
    tmp_path: Path,
    topic_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "BATCH_ROWS", 100)
    path = unique_csv(tmp_path, topic_prefix, 1000)
    stop = asyncio.Event()

    def stop_after_three_batches(_: int, __: int, result: Replayed) -> None:
        if result.rows >= 300:
            stop.set()

    first = await FileReplay(
        settings, Clock.real(), path, mapping, topics=topics, stop=stop, on_progress=stop_after_three_batches
    ).run()
    assert astuple(first) == (300, 330, 0, 0, False)
    second = await FileReplay(settings, Clock.real(), path, mapping, topics=topics).run()
    assert astuple(second) == (700, 770, 0, 300, True)
    ids = [json.loads(record.value)["event_id"] for record in await records_of(settings, topics.events)]
    assert (len(ids), len(set(ids))) == (1100, 1100)


async def test_a_stop_ends_the_reading_of_a_packed_line_without_an_end(
    run: Any, tmp_path: Path, topic_prefix: str
) -> None:
    path, stop = tmp_path / f"{topic_prefix}bomb.ndjson.gz", asyncio.Event()
    path.write_bytes(gzip.compress(b"x" * (1 << 20)) * 20_000)  # 20 MB of 20 GB
    reading = asyncio.ensure_future(run(path, stop=stop))
    await asyncio.sleep(1.0)
    stop.set()
    result = await asyncio.wait_for(reading, 10)
    assert not result.finished


async def test_another_mapping_of_the_same_file_is_another_source(
    run: Any, mapping: RowMapping, tmp_path: Path, topic_prefix: str
) -> None:
    path = unique_csv(tmp_path, topic_prefix, 20)
    assert (await run(path, mapping)).rows == 20
    assert (await run(path, mapping.with_constants({"campaign_id": "spring"}))).rows == 20
    assert (await run(path, mapping)).rows == 0


async def test_bad_rows_become_dead_letters_with_the_row_and_its_number(
    settings: Settings, topics: ReplayTopics, run: Any, mapping: RowMapping, tmp_path: Path, topic_prefix: str
) -> None:
    path = unique_csv(tmp_path, topic_prefix, 3)
    with path.open("a") as file:
        file.write("yesterday,1,1,0\n1970-01-01 00:00:00+00:00,1,1,1\n2019-11-24 00:00:00+00:00,a b,1,0\ntoo,few\n")
    result: Replayed = await run(path, mapping)
    assert astuple(result) == (7, 4, 4, 0, True)
    letters = [json.loads(record.value) for record in await records_of(settings, topics.dead_letters)]
    assert [(one["offset"], one["code"], one["field"]) for one in letters] == [
        (3, "bad_time", "at"),
        (4, "bad_time", "at"),
        (5, "bad_id", "ad_id"),
        (6, "malformed", ""),
    ]
    assert {one["topic"] for one in letters} == {f"file:{path.name}"}
    assert letters[3]["value"] == "dG9vLGZldw=="


async def test_events_of_a_json_file_need_no_mapping_and_stay_as_they_are(
    settings: Settings, topics: ReplayTopics, run: Any, tmp_path: Path, topic_prefix: str
) -> None:
    path = tmp_path / f"{topic_prefix}events.ndjson"
    line = '{"event_id":"%d",  "platform":"sms","account_id":"a","campaign_id":"c","at":%d,"type":"sent", "x":[1 ]}'
    lines = [line % (number, 1_574_553_793_000 + number * 1000) for number in (0, 2, 1, 3)]
    path.write_text("\n".join(lines))
    await run(path, recorded=True)
    found = await records_of(settings, topics.events, ticks=True)
    values = [record for record in found if record.value is not None]
    assert [record.value.decode() for record in values] == lines
    assert [record.timestamp - 1_574_553_793_000 for record in values] == [0, 2000, 2000, 3000]
    assert {record.timestamp - 1_574_553_793_000 for record in found if record.value is None} == {3000}


def test_the_command_reads_a_file_and_says_what_it_did(
    settings: Settings, kafka_bootstrap: str, tmp_path: Path, topic_prefix: str
) -> None:
    ensure_topics(settings, (BY_NAME[RAW_EVENTS], BY_NAME[DEAD_LETTERS]))
    path = unique_csv(tmp_path, topic_prefix, 50)

    def pulse(*arguments: str) -> "subprocess.CompletedProcess[str]":
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PULSE_")}
        return subprocess.run(
            [sys.executable, "-m", "agents.cli.main", "connect", "file", *arguments],
            env=clean | {"KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap, "PULSE_PARTITIONS": str(PARTITIONS)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    rules = ("--mapping", str(ROOT / "infra" / "mappings" / "obd.toml"), "--set", f"campaign_id={topic_prefix}file")
    first = pulse(str(path), *rules, "--json")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == {"rows": 50, "events": 55, "rejected": 0, "skipped": 0, "finished": True}
    second = pulse(str(path), *rules)
    assert "read to its end before" in second.stdout
    wrong = pulse(str(path))
    assert (wrong.returncode, "--mapping" in wrong.stderr) == (78, True)
    missing = pulse(str(tmp_path / "none.csv"), *rules)
    assert (missing.returncode, "none.csv" in missing.stderr) == (78, True)
    assert "Traceback" not in wrong.stderr + missing.stderr
