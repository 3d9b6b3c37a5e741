"""Dead letters of a real broker: found, shown, put back once."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from connectors.dead_letters import DeadLetters, Wanted, place_of
from connectors.kafka_admin import ensure_topics
from connectors.kafka_producer import start_producer
from connectors.local.kafka_broker import KafkaBroker
from connectors.settings import KafkaSettings, Settings
from pipeline.dead_letters import cleared_letter, dead_letter
from pipeline.errors import BadRecord
from schemas.topics import BY_NAME, CURSORS, DEAD_LETTERS, RAW_EVENTS
from tests.partition import Rec
from tests.topic_records import records_of

PARTITIONS = 4
T0 = 1_763_713_254_000


@dataclass
class Desk:
    """A topic of events and one of letters that belong to one test."""

    settings: Settings
    events: str
    letters: str
    producer: AIOKafkaProducer

    @property
    def dead(self) -> DeadLetters:
        return DeadLetters(self.settings, self.letters)

    async def refuse(self, offset: int, code: str = "bad_zone", topic: str = "", partition: int = 1) -> None:
        record = Rec(offset, T0 + offset, b"sms:a:c", f'{{"n":{offset}}}'.encode())
        letter = dead_letter(
            BadRecord(code, "zone", "why"),
            stage="aggregate",
            topic=topic or self.events,
            partition=partition,
            record=record,
        )
        await self.producer.send_and_wait(self.letters, letter, key=record.key, partition=partition)

    async def found(self, **wanted: Any) -> list[tuple[int, str]]:
        return [(letter.offset, letter.code) async for letter in self.dead.find(Wanted(**wanted))]


@pytest.fixture
async def desk(kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[Desk]:
    settings = Settings(kafka=KafkaSettings(bootstrap_servers=kafka_bootstrap), partitions=PARTITIONS)
    own = [replace(BY_NAME[name], name=topic_prefix + name) for name in (RAW_EVENTS, DEAD_LETTERS)]
    ensure_topics(settings, (*own, BY_NAME[CURSORS]))
    producer = await start_producer(settings)
    yield Desk(settings, own[0].name, own[1].name, producer)
    await producer.stop()


async def test_letters_are_found_by_code_topic_time_and_place(desk: Desk) -> None:
    await desk.refuse(1)
    await desk.refuse(2, "bad_time")
    await desk.refuse(3, "bad_time", "file:orders.csv")
    assert await desk.found() == [(1, "bad_zone"), (2, "bad_time"), (3, "bad_time")]
    assert await desk.found(codes=frozenset({"bad_time"})) == [(2, "bad_time"), (3, "bad_time")]
    assert await desk.found(topic="file:orders.csv") == [(3, "bad_time")]
    assert await desk.found(since_ms=T0 + 3) == [(3, "bad_time")]
    assert await desk.found(places=frozenset({place_of(f"{desk.events}/1/2")})) == [(2, "bad_time")]


async def test_a_second_copy_is_the_same_letter_and_one_taken_back_is_none(desk: Desk) -> None:
    for offset in (1, 2, 1, 3):
        await desk.refuse(offset)
    await desk.producer.send_and_wait(desk.letters, cleared_letter(desk.events, 1, 2), key=b"sms:a:c", partition=1)
    await desk.producer.send_and_wait(desk.letters, b"no letter at all", partition=0)
    assert [offset for offset, _ in await desk.found()] == [1, 3]
    await desk.refuse(2, "bad_time")  # and refused again later
    assert sorted(await desk.found()) == [(1, "bad_zone"), (2, "bad_time"), (3, "bad_zone")]


async def test_records_go_back_as_they_were_once(desk: Desk) -> None:
    for offset in range(5):
        await desk.refuse(offset)
    dry = await desk.dead.replay(Wanted(), dry_run=True)
    assert (dry.replayed, await records_of(desk.settings, desk.events)) == (5, [])
    first = await desk.dead.replay(Wanted())
    assert (first.replayed, first.already, first.kept) == (5, 0, {})
    found = await records_of(desk.settings, desk.events)
    assert [(r.partition, r.timestamp, r.key, r.value) for r in found] == [
        (1, T0 + offset, b"sms:a:c", f'{{"n":{offset}}}'.encode()) for offset in range(5)
    ]
    assert found[3].headers == (("replayed-from", f"{desk.events}/1/3".encode()),)
    second = await desk.dead.replay(Wanted())
    assert (second.replayed, second.already) == (0, 5)
    assert len(await records_of(desk.settings, desk.events)) == 5
    third = await desk.dead.replay(Wanted(places=frozenset({place_of(f"{desk.events}/1/3")})), again=True)
    assert third.replayed == 1


async def test_a_record_that_is_refused_again_is_not_put_back_again_by_itself(desk: Desk) -> None:
    await desk.refuse(1)
    assert (await desk.dead.replay(Wanted())).replayed == 1
    (back,) = await records_of(desk.settings, desk.events)
    letter = dead_letter(
        BadRecord("bad_zone", "zone", "why"), stage="aggregate", topic=desk.events, partition=1, record=back
    )
    await desk.producer.send_and_wait(desk.letters, letter, key=back.key, partition=1)
    assert back.offset != 1, "another place, so another letter"
    result = await desk.dead.replay(Wanted())
    assert (result.replayed, result.already) == (0, 2)
    again = await desk.dead.replay(Wanted(), again=True)
    assert (again.replayed, again.already) == (1, 1), "two letters of one record: it goes back once"


async def test_what_cannot_go_back_stays_and_says_why(desk: Desk) -> None:
    await desk.refuse(1, topic="file:orders.csv")
    await desk.refuse(2, topic="nowhere.v1")
    await desk.refuse(3)
    result = await desk.dead.replay(Wanted())
    assert result.replayed == 1
    assert sorted(result.kept.values()) == [1, 1]
    assert any("file" in reason for reason in result.kept)
    assert any("nowhere.v1" in reason for reason in result.kept)


@pytest.mark.timeout(180)
async def test_the_command_lists_shows_and_puts_back(kafka_parts: object, tmp_path: Any) -> None:
    broker = KafkaBroker(tmp_path / "kafka")
    broker.start()
    broker.wait_ready()
    try:
        settings = Settings(kafka=KafkaSettings(bootstrap_servers=broker.address), partitions=PARTITIONS)
        ensure_topics(settings, tuple(BY_NAME[name] for name in (RAW_EVENTS, DEAD_LETTERS, CURSORS)))
        producer = await start_producer(settings)
        desk = Desk(settings, RAW_EVENTS, DEAD_LETTERS, producer)
        for offset in range(3):
            await desk.refuse(offset, "bad_time" if offset else "bad_zone")
        await desk.refuse(7, topic="file:orders.csv")
        await producer.stop()
        check_command(broker.address)
        assert len(await records_of(settings, RAW_EVENTS)) == 3
    finally:
        broker.stop()


def check_command(address: str) -> None:
    def pulse(*arguments: str, code: int = 0) -> str:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PULSE_")}
        done = subprocess.run(
            [sys.executable, "-m", "agents.cli.main", "dead-letters", *arguments],
            env=clean | {"KAFKA_BOOTSTRAP_SERVERS": address, "PULSE_PARTITIONS": str(PARTITIONS), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    listed = json.loads(pulse("list", "--json"))
    assert (listed["total"], listed["by_code"]) == (4, {"bad_zone": 2, "bad_time": 2})
    assert [one["letter"] for one in listed["letters"]][:3] == [f"raw.events.v1/1/{n}" for n in range(3)]
    assert json.loads(pulse("list", "--json", "--since", "2025-11-21T08:20:54.002Z"))["total"] == 2
    assert "raw.events.v1/1/2" in pulse("list", "--code", "bad_time")
    shown = json.loads(pulse("show", "raw.events.v1/1/2", "--json"))
    assert (shown["key"], shown["value"], shown["field"]) == ("sms:a:c", '{"n":2}', "zone")
    pulse("show", "raw.events.v1/1/99", code=1)
    pulse("show", "what", code=2)
    assert "3 records would go back" in pulse("replay", "--dry-run")
    assert json.loads(pulse("replay", "--letter", "raw.events.v1/1/2", "--json"))["replayed"] == 1
    rest = pulse("replay")
    assert "2 records put back; 1 letters left alone" in rest
    assert "1 stays: it came from a file" in rest
    assert "0 records put back; 3 letters left alone" in pulse("replay")
