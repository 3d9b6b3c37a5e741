"""Grouping, backing off and giving up of the record stream, over a producer that does as it is told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError

from connectors import record_stream
from connectors.kafka import partition_of
from connectors.record_stream import RecordStream
from pipeline.codes import TransientCode
from pipeline.errors import Misconfigured, Transient

PARTITIONS = 3
TOPIC = "raw.events.v1"


class Builder:
    room = 4

    def __init__(self) -> None:
        self.records: list[tuple[Any, Any, int]] = []

    def append(self, *, key: Any, value: Any, timestamp: int) -> object | None:
        if len(self.records) == self.room:
            return None
        self.records.append((key, value, timestamp))
        return object()

    def record_count(self) -> int:
        return len(self.records)


class Producer:
    """Acknowledges at once unless `hold`ing; `fail` is raised instead of the next acknowledgement."""

    def __init__(self, partitions: int = PARTITIONS) -> None:
        self.batches: list[tuple[int, list[tuple[Any, Any, int]]]] = []
        self.acks: list[asyncio.Future[None]] = []
        self.hold = False
        self.fail: Exception | None = None
        self.stopped = False
        self.client = self
        self._count = partitions

    async def fetch_all_metadata(self) -> "Producer":
        return self

    def partitions_for_topic(self, _: str) -> set[int] | None:
        return set(range(self._count)) or None

    def create_batch(self) -> Builder:
        return Builder()

    async def send_batch(self, builder: Builder, _: str, *, partition: int) -> "asyncio.Future[None]":
        self.batches.append((partition, builder.records))
        ack: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.fail is not None:
            ack.set_exception(self.fail)
        elif not self.hold:
            ack.set_result(None)
        self.acks.append(ack)
        return ack

    async def stop(self) -> None:
        self.stopped = True

    def written(self) -> list[tuple[Any, Any, int]]:
        return [record for _, batch in self.batches for record in batch]


@asynccontextmanager
async def running(start: Callable[[], Awaitable[Any]], **options: Any) -> AsyncIterator[RecordStream]:
    stream = RecordStream(start, partitions=PARTITIONS, topic=TOPIC, **options)
    stream.open()
    try:
        yield stream
    finally:
        await stream.close()


def given(producer: Producer) -> Callable[[], Awaitable[Producer]]:
    async def start() -> Producer:
        return producer

    return start


def record(key: str, number: int) -> tuple[bytes, bytes, int]:
    return key.encode(), str(number).encode(), number


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_records_go_to_the_partition_of_their_key_in_order_over_as_many_batches_as_it_takes() -> None:
    producer = Producer()
    records = [record(key, number) for number in range(30) for key in ("a", "b", "c")]
    async with running(given(producer)) as stream:
        await stream.send(records)
    for key in ("a", "b", "c"):
        place = partition_of(key.encode(), PARTITIONS)
        written = [r for n, batch in producer.batches for r in batch if n == place and r[0] == key.encode()]
        assert written == [r for r in records if r[0] == key.encode()]


async def test_what_is_sent_while_a_batch_is_on_its_way_leaves_together() -> None:
    producer = Producer()
    producer.hold = True
    async with running(given(producer)) as stream:
        first = asyncio.ensure_future(stream.send([record("a", 0)]))
        await settle()
        later = [asyncio.ensure_future(stream.send([record("a", number)])) for number in (1, 2, 3)]
        await settle()
        assert len(producer.batches) == 1
        assert not first.done()
        producer.hold = False
        producer.acks[0].set_result(None)
        await asyncio.gather(first, *later)
    assert [len(batch) for _, batch in producer.batches] == [1, 3]


async def test_a_tick_goes_to_every_partition_that_has_nothing_waiting() -> None:
    producer = Producer()
    async with running(given(producer)) as stream:
        await stream.tick(17)
    assert sorted(producer.batches) == [(number, [(None, None, 17)]) for number in range(PARTITIONS)]


async def test_ticks_do_not_pile_up_while_the_broker_is_away() -> None:
    producer = Producer()
    producer.hold = True
    async with running(given(producer)) as stream:
        ticks = [asyncio.ensure_future(stream.tick(number)) for number in range(10)]
        await settle()
        for tick in ticks:
            tick.cancel()
        producer.hold = False
        for ack in producer.acks:
            ack.set_result(None)
        await stream.tick(99)
    assert len(producer.written()) <= 3 * PARTITIONS


async def test_a_sender_that_stops_waiting_takes_back_what_is_not_on_its_way() -> None:
    producer = Producer()
    producer.hold = True
    async with running(given(producer)) as stream:
        first = asyncio.ensure_future(stream.send([record("a", 0)]))
        await settle()
        gone = asyncio.ensure_future(stream.send([record("a", 1)]))
        await settle()
        gone.cancel()
        await settle()
        producer.hold = False
        producer.acks[0].set_result(None)
        await first
        await stream.send([record("a", 2)])
    assert [value for _, value, _ in producer.written()] == [b"0", b"2"]


async def test_a_failed_write_is_told_to_its_senders_and_the_next_takes_a_new_producer() -> None:
    broken, healthy = Producer(), Producer()
    broken.fail = KafkaTimeoutError()
    producers = [broken, healthy]
    states: list[str] = []

    async def start() -> Producer:
        return producers.pop(0)

    async with running(start, on_state=states.append) as stream:
        with pytest.raises(Transient) as refused:
            await stream.send([record("a", 0)])
        assert refused.value.code == TransientCode.BROKER_AWAY
        await stream.send([record("a", 1)])
    assert broken.stopped
    assert [value for _, value, _ in healthy.written()] == [b"1"]
    assert states[0]
    assert states[-1] == ""


async def test_writes_of_other_partitions_do_not_wait_for_a_producer_that_was_given_up() -> None:
    broken, healthy = Producer(), Producer()
    broken.hold = True
    producers = [broken, healthy]

    async def start() -> Producer:
        return producers.pop(0)

    keys = {partition_of(f"k{n}".encode(), PARTITIONS): f"k{n}" for n in range(50)}
    async with running(start) as stream:
        waiting = asyncio.ensure_future(stream.send([record(keys[0], 0)]))
        await settle()
        broken.fail = KafkaTimeoutError()
        with pytest.raises(Transient):
            await stream.send([record(keys[1], 1)])
        with pytest.raises(Transient):
            await asyncio.wait_for(waiting, 1)


async def test_a_broker_that_cannot_be_reached_at_first_is_tried_again() -> None:
    producer = Producer()
    failures = [Transient(TransientCode.BROKER_AWAY, "nobody there")]
    states: list[str] = []

    async def start() -> Producer:
        if failures:
            raise failures.pop()
        return producer

    async with running(start, on_state=states.append) as stream:
        await stream.send([record("a", 0)])
    assert "nobody there" in states[0]
    assert len(producer.written()) == 1


async def test_more_than_the_memory_allows_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_stream, "MAX_WAITING_BYTES", 1000)
    producer = Producer()
    producer.hold = True
    async with running(given(producer)) as stream:
        waiting = asyncio.ensure_future(stream.send([(b"a", bytes(900), 0)]))
        await settle()
        with pytest.raises(Transient):
            await asyncio.wait_for(stream.send([record("a", 1)]), 1)
        producer.hold = False
        for ack in producer.acks:
            ack.set_result(None)
        await waiting
        await stream.send([record("a", 2)])


@pytest.mark.parametrize(("partitions", "code"), [(0, "topic_missing"), (PARTITIONS + 1, "setting")])
async def test_a_topic_that_is_missing_or_cut_otherwise_ends_every_sender(partitions: int, code: str) -> None:
    async with running(given(Producer(partitions))) as stream:
        for _ in range(2):
            with pytest.raises(Misconfigured) as refused:
                await asyncio.wait_for(stream.send([record("a", 0)]), 1)
            assert refused.value.code == code
        with pytest.raises(Misconfigured):
            await asyncio.wait_for(stream.ended(), 1)


async def test_closing_fails_what_is_not_acknowledged() -> None:
    producer = Producer()
    producer.hold = True
    async with running(given(producer)) as stream:
        waiting = asyncio.ensure_future(stream.send([record("a", 0)]))
        await settle()
        await stream.close()
        with pytest.raises(Transient):
            await asyncio.wait_for(waiting, 1)
    assert producer.stopped
