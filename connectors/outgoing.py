"""Records of a source on their way to the broker: sent one by one, waited for together."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from pipeline.errors import PipelineError


class ProducerLost(PipelineError):
    """The broker is away, and this producer may have lost count of its sequence numbers: begin again with another."""


@contextmanager
def producing() -> Iterator[None]:
    """What the client raises when the broker is away, as ProducerLost. A record that is too large is a bug of ours."""
    try:
        yield
    except MessageSizeTooLargeError:
        raise
    except KafkaError as error:
        raise ProducerLost("broker_away", str(error) or type(error).__name__) from None


class Outgoing:
    """Used by one task. `send` returns when the record has its place; `settled` when every one is acknowledged."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._acks: list[asyncio.Future[Any]] = []

    async def send(
        self, topic: str, value: bytes, *, timestamp_ms: int, key: bytes | None = None, partition: int | None = None
    ) -> None:
        """`partition` None: by the key. Raises ProducerLost."""
        with producing():
            sent = await self._producer.send(topic, value, key=key, partition=partition, timestamp_ms=timestamp_ms)
        self._acks.append(sent)

    async def settled(self) -> None:
        """Raises ProducerLost when a record may not have been written."""
        acks, self._acks = self._acks, []
        if acks:
            # Not gather: it would cancel the futures, and aiokafka's sender stumbles over a cancelled one.
            await asyncio.wait(acks)
        with producing():
            for ack in acks:
                ack.result()
