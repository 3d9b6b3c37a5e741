"""A partition of a topic from its beginning to its end of now, record by record, in little memory."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition

SILENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Record:
    """`timestamp` as the record has it, Unix ms."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def records_of(bootstrap: str, topic: str, partition: int) -> Iterator[Record]:
    """Raises AssertionError when the broker is silent before the end."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "chaos", "enable.auto.commit": False})
    try:
        place = TopicPartition(topic, partition, 0)
        consumer.assign([place])
        _, end = consumer.get_watermark_offsets(place, timeout=SILENCE_S)
        offset, silent_since_s = -1, time.monotonic()
        while offset + 1 < end:
            messages = consumer.consume(2_000, timeout=0.1)  # waits so long for the last of them
            silent_since_s = time.monotonic() if messages else silent_since_s
            assert time.monotonic() < silent_since_s + SILENCE_S, f"{topic}/{partition}: silent at {offset} of {end}"
            for message in messages:
                assert message.error() is None, message.error()
                offset = message.offset() or 0
                if offset < end:
                    yield Record(offset, message.timestamp()[1], message.key(), message.value())
    finally:
        consumer.close()
