"""Cursors over a topic the test holds: the newest of each name, and none that was forgotten."""

from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from aiokafka import TopicPartition

from connectors import cursors
from connectors.cursors import Cursors
from connectors.settings import Settings, load_settings
from schemas.topics import CURSORS
from tests.unit.connectors.source_parts import Producer


@dataclass(frozen=True)
class Record:
    key: bytes
    value: bytes | None


class Consumer:
    """Gives out one record a call, as a slow broker would."""

    records: dict[int, list[Record]] = {}  # noqa: RUF012 - the topic of one test
    stopped = False

    def __init__(self, **_: Any) -> None:
        self._at = dict.fromkeys(Consumer.records, 0)

    async def start(self) -> None: ...

    async def stop(self) -> None:
        Consumer.stopped = True

    def assign(self, partitions: list[TopicPartition]) -> None:
        assert {each.topic for each in partitions} == {CURSORS}

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {each: len(Consumer.records.get(each.partition, [])) for each in partitions}

    async def position(self, place: TopicPartition) -> int:
        return self._at.get(place.partition, 0)

    async def getmany(self, *places: TopicPartition, timeout_ms: int) -> dict[TopicPartition, list[Record]]:
        place = places[0]
        at = self._at[place.partition]
        self._at[place.partition] += 1
        return {place: [Consumer.records[place.partition][at]]}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(cursors, "AIOKafkaConsumer", Consumer)
    Consumer.records, Consumer.stopped = {}, False
    return load_settings(environ={})


def record(name: str, value: Any) -> Record:
    return Record(name.encode(), None if value is None else orjson.dumps(value))


async def test_the_newest_of_every_name_is_read_back(settings: Settings) -> None:
    Consumer.records = {
        0: [record("a|1", {"n": 1}), record("a|2", [2]), record("a|1", {"n": 3})],
        3: [record("a|3", "x"), record("a|3", None)],
    }
    loaded = await Cursors.load(settings, Producer(), "a|")
    assert {name: loaded.get(name) for name in sorted(loaded.names(""))} == {"a|1": {"n": 3}, "a|2": [2]}
    assert Consumer.stopped


async def test_the_cursors_of_others_are_left_alone(settings: Settings) -> None:
    Consumer.records = {1: [record("b|1", 1), record("a|1", 2)]}
    loaded = await Cursors.load(settings, Producer(), "a|")
    assert loaded.names("") == ["a|1"]


async def test_an_empty_topic_has_none(settings: Settings) -> None:
    assert (await Cursors.load(settings, Producer(), "a|")).get("a|1") is None


async def test_a_saved_cursor_holds_once_the_broker_has_it() -> None:
    producer = Producer()
    kept = Cursors(producer, {})
    await kept.save("a|1", {"n": 1})
    assert (kept.get("a|1"), producer.cursors()) == ({"n": 1}, {"a|1": {"n": 1}})
    await kept.save("a|1", None)
    assert (kept.get("a|1"), producer.cursors()) == (None, {"a|1": None})


async def test_a_cursor_that_could_not_be_saved_does_not_hold() -> None:
    kept = Cursors(Producer(fail=ConnectionError()), {"a|1": 1})
    with pytest.raises(ConnectionError):
        await kept.save("a|1", 2)
    assert kept.get("a|1") == 1
