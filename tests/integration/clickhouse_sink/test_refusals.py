"""What the sink does not store, or does not start with, and what it says then."""

import asyncio

import orjson
import pytest

from connectors import telemetry
from connectors.clickhouse.client import connected
from connectors.clickhouse.sink import run_sink
from connectors.clock import Clock
from connectors.kafka_admin import admin, ensure_topics
from connectors.settings import Settings
from pipeline.errors import Misconfigured
from schemas.topics import DEAD_LETTERS, RAW_EVENTS, TOTALS
from tests.integration.clickhouse_rows import ask, total
from tests.integration.clickhouse_sink.sinking import delete_topics, event, send, sinking, stored, totals_of, until


async def test_a_record_that_cannot_be_a_row_becomes_a_dead_letter_and_the_rest_goes_on(settings: Settings) -> None:
    bad = orjson.dumps(total(campaign_id="bad") | {"clicks": "many"})
    await send(settings, [*totals_of(1, 1), (TOTALS, 0, b"k", bad), *totals_of(3, 3)[2:]])
    async with sinking(settings):
        await until(stored(settings, {(TOTALS, 0): 3, (DEAD_LETTERS, 0): 1}))
    letter = "SELECT code, field, stage, topic, partition, offset, value FROM dead_letters FINAL"
    assert ask(settings, letter) == [("bad_type", "clicks", "sink", TOTALS, 0, 1, bad.decode())]
    assert ask(settings, "SELECT count() FROM totals FINAL") == [(2,)]


async def test_a_topic_made_again_is_refused(settings: Settings) -> None:
    await send(settings, [(RAW_EVENTS, 0, b"k", event(1))])
    async with sinking(settings):
        await until(stored(settings, {(RAW_EVENTS, 0): 1}))
    await asyncio.to_thread(delete_topics, settings, RAW_EVENTS)
    await asyncio.to_thread(ensure_topics, settings)
    with pytest.raises(Misconfigured, match="made again") as refused:
        await run_sink(settings, Clock.real(), stop=asyncio.Event())
    assert refused.value.code == "topic_recreated"


async def test_outstanding_migrations_are_refused_with_what_to_do(settings: Settings) -> None:
    with connected(settings) as client:
        client.command("TRUNCATE TABLE migrations")
    with pytest.raises(Misconfigured, match="run `pulse migrate`"):
        await run_sink(settings, Clock.real(), stop=asyncio.Event())


async def test_records_gone_before_they_were_stored_are_told(settings: Settings) -> None:
    from confluent_kafka import TopicPartition

    await send(settings, [(RAW_EVENTS, 0, b"k", event(n)) for n in range(5)])
    client = admin(settings)  # its answers come only while it lives
    for answer in client.delete_records([TopicPartition(RAW_EVENTS, 0, 3)]).values():
        answer.result(10)
    before = _missed()
    async with sinking(settings):
        await until(stored(settings, {(RAW_EVENTS, 0): 5}))
    assert _missed() - before == 3
    assert ask(settings, "SELECT min(first_offset) FROM sink_blocks") == [(3,)]


def _missed() -> float:
    return telemetry.REGISTRY.get_sample_value("pulse_sink_gap_records_total", {"topic": RAW_EVENTS}) or 0
