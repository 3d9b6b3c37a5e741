"""Batches written in one go, on a real broker: it takes them in every codec, and librdkafka reads what was sent."""

import asyncio
import time
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer, TopicPartition

from agents.batches import hand_over
from agents.record_batches import form_of, records_at
from connectors.kafka import client_config
from connectors.kafka_admin import ensure_topics
from connectors.settings import KafkaSettings, Settings
from pipeline.outputs import Pair
from pipeline.per_record import BUILT
from schemas.topics import TOPICS

PARTITION, LIMIT_S = 1, 30.0
# Values that shrink and one that does not; more records than fit a batch, and one that is larger than a batch.
PAIRS: list[Pair] = [
    (None, b""),
    (b"", None),
    ("ключ".encode(), "значение €".encode()),
    *((b"k%d" % number, b"some value %d " % number * 20) for number in range(300)),
    (b"large", bytes(range(256)) * 120),
    (b"last", b"v"),
]


@pytest.fixture
def settings(kafka_bootstrap: str) -> Settings:
    return Settings(kafka=KafkaSettings(bootstrap_servers=kafka_bootstrap), partitions=2)


def read(settings: Settings, topic: str) -> list[Pair]:
    consumer = Consumer({**client_config(settings), "group.id": topic, "check.crcs": True})
    try:
        place = TopicPartition(topic, PARTITION, 0)
        _, end = consumer.get_watermark_offsets(place, timeout=LIMIT_S)
        consumer.assign([place])
        found: list[Pair] = []
        for message in consumer.consume(end, timeout=LIMIT_S):
            assert message.error() is None
            found.append((message.key(), message.value()))
        return found
    finally:
        consumer.close()


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_what_is_handed_over_is_what_another_client_reads(
    settings: Settings, topic_prefix: str, codec: str | None
) -> None:
    topic = replace(TOPICS[0], name=f"{topic_prefix}{codec}", config=MappingProxyType({}))
    await asyncio.to_thread(ensure_topics, settings, (topic,))
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka.bootstrap_servers,
        enable_idempotence=True,
        compression_type=codec,
        max_batch_size=16_384,
    )
    await producer.start()
    try:
        assert (form_of(producer) is not None) is BUILT
        acked: list[tuple[Any, Any]] = []
        for _ in range(2):  # the second time its sequence goes on
            acks = await hand_over(
                producer, {(topic.name, PARTITION): PAIRS}, {topic.name: lambda batch, ack: acked.append((batch, ack))}
            )
            offsets = [ack.offset for ack in await asyncio.gather(*acks)]
            assert len(offsets) > 4
            assert offsets == sorted(offsets)
    finally:
        await producer.stop()
    assert await asyncio.to_thread(read, settings, topic.name) == PAIRS * 2
    without_a_fetch = [records_at(batch, ack.result().offset) for batch, ack in acked]
    if not BUILT or codec not in {None, "lz4"}:
        assert not any(without_a_fetch)  # only a fetch will do
        return
    found = [record for records in without_a_fetch for record in records or ()]
    assert [(record.offset, record.key, record.value) for record in found] == [
        (offset, *pair) for offset, pair in enumerate(PAIRS * 2)
    ]
    assert {abs(record.timestamp / 1000 - time.time()) < LIMIT_S for record in found} == {True}
