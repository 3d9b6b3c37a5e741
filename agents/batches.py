"""Writes many records as whole batches and waits until the broker has all of them."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from aiokafka import AIOKafkaProducer

from agents.record_batches import form_of, written
from pipeline.outputs import Pairs

# (topic, partition) -> (key, value) in order; a value of None deletes the key of a compacted topic
Batches = dict[tuple[str, int], Pairs]
Ack = asyncio.Future[Any]
WhenAcked = Callable[[Any, Ack], None]  # a batch, and the answer to it
NOBODY: Mapping[str, WhenAcked] = MappingProxyType({})


async def send_batches(producer: AIOKafkaProducer, batches: Batches) -> None:
    """In order per partition. Far cheaper than a `send` per record; raises what the broker answers."""
    await asyncio.gather(*await hand_over(producer, batches))


async def hand_over(
    producer: AIOKafkaProducer, batches: Batches, when_acked: Mapping[str, WhenAcked] = NOBODY
) -> list[Ack]:
    """The producer has everything; the acks are to be awaited. Whose call returns first is written first.

    Calls that overlap may pass each other: the producer takes a batch for a partition when the one before is out.
    `when_acked`: who is told of the answers to batches of a topic, in the order in which they come.
    """
    form, acks = form_of(producer), list[Ack]()
    for (topic, partition), pairs in batches.items():
        for batch in _appended(producer, pairs) if form is None else written(pairs, form):
            ack = await producer.send_batch(batch, topic, partition=partition)
            if topic in when_acked:
                ack.add_done_callback(partial(when_acked[topic], batch))
            acks.append(ack)
    return acks


def _appended(producer: AIOKafkaProducer, pairs: Pairs) -> Iterator[Any]:
    """What `written` gives, from aiokafka's own builder: a call per record."""
    batch = producer.create_batch()
    for key, value in pairs:
        if batch.append(key=key, value=value, timestamp=None) is None:
            batch.close()
            yield batch
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)  # the first of a batch always fits
    if batch.record_count():
        batch.close()
        yield batch
