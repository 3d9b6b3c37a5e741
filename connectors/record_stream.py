"""The one way of many small writers to a topic: grouped by partition, acknowledged, bounded while the broker is away.

What is sent while a partition's last batch is on its way leaves with the next one, so that many small requests
cost the broker as little as few large ones.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from connectors.kafka import partition_of
from connectors.retry import retrying
from pipeline.codes import MisconfiguredCode, TransientCode
from pipeline.errors import Misconfigured, Transient

MAX_WAITING_BYTES = 64 << 20  # of all partitions; beyond it senders are told to come back, and memory stays bounded
OVERHEAD_BYTES = 100  # of a record that waits, beside its value
CLOSE_S = 1.0
Outgoing = tuple[bytes | None, bytes | None, int]  # key, value, timestamp (Unix ms); a tick has neither key nor value


@dataclass(slots=True, eq=False)
class _Group:
    """Records of one sender for one partition. `acked` is cancelled when the sender has stopped waiting."""

    records: list[Outgoing]
    bytes: int
    acked: asyncio.Future[None]


@dataclass(slots=True)
class _Partition:
    waiting: list[_Group] = field(default_factory=list)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class RecordStream:
    """`start` makes a started producer or raises Transient; it is called again, with back-off, after a failure.

    Used from one event loop: `open()`, then any number of concurrent `send` and `tick`, then `close()`.
    Raises Misconfigured, at every sender, when the topic is missing or has another number of partitions.
    `on_state(detail)` hears how it goes after every write: "" when the broker took it, else what is wrong.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[AIOKafkaProducer]],
        *,
        partitions: int,
        topic: str,
        on_state: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._start, self._topic, self._on_state = start, topic, on_state
        self._partitions = [_Partition() for _ in range(partitions)]
        self._waiting_bytes = 0
        self._producer: Any = None  # an AIOKafkaProducer once there is one
        self._given_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()  # of this producer
        self._starting = asyncio.Lock()
        self._writers: list[asyncio.Task[None]] = []
        self._ended_by: Exception | None = None
        self._partition_of = lru_cache(1 << 16)(lambda key: partition_of(key, partitions))

    def open(self) -> None:
        self._writers = [asyncio.ensure_future(self._write_on(number)) for number in range(len(self._partitions))]

    async def ended(self) -> None:
        """Returns never; raises what ended a writer, which is a bug of ours."""
        await asyncio.gather(*map(asyncio.shield, self._writers))

    async def close(self) -> None:
        """Ends within `CLOSE_S` and a little; what is not acknowledged by then fails at its sender."""
        for writer in self._writers:
            writer.cancel()
        await asyncio.gather(*self._writers, return_exceptions=True)
        self._end(_away("the stream is closed"))
        await self._drop_producer(self._producer)

    async def send(self, records: Iterable[tuple[bytes, bytes, int]]) -> None:
        """Returns when every record (key, value, Unix ms) is acknowledged. Records of one key keep their order.

        Raises Transient(BROKER_AWAY) when some may not have been; those may have been written all the same. A caller
        that stops waiting (is cancelled) takes back what has not been handed to the broker yet.
        """
        by_partition: dict[int, list[Outgoing]] = {}
        for record in records:
            by_partition.setdefault(self._partition_of(record[0]), []).append(record)
        await self._deliver(by_partition)

    async def tick(self, timestamp_ms: int) -> None:
        """One tick to every partition that has nothing waiting: there, time comes with the records."""
        tick: Outgoing = (None, None, timestamp_ms)
        await self._deliver({n: [tick] for n, partition in enumerate(self._partitions) if not partition.waiting})

    async def _deliver(self, by_partition: dict[int, list[Outgoing]]) -> None:
        if self._ended_by is not None:
            raise self._ended_by
        sizes = {n: sum(len(record[1] or b"") + OVERHEAD_BYTES for record in by_partition[n]) for n in by_partition}
        if self._waiting_bytes and self._waiting_bytes + sum(sizes.values()) > MAX_WAITING_BYTES:
            raise _away("too many events are waiting for the broker")
        loop = asyncio.get_running_loop()
        groups = {number: _Group(by_partition[number], sizes[number], loop.create_future()) for number in by_partition}
        for number, group in groups.items():
            self._waiting_bytes += group.bytes
            self._partitions[number].waiting.append(group)
            self._partitions[number].wake.set()
        try:
            await asyncio.gather(*(group.acked for group in groups.values()))
        except asyncio.CancelledError:
            for number, group in groups.items():
                self._take_back(self._partitions[number], group)
            raise

    def _take_back(self, partition: _Partition, group: _Group) -> None:
        if group in partition.waiting:
            partition.waiting.remove(group)
            self._waiting_bytes -= group.bytes

    # -- one writer a partition ------------------------------------------------------------------------------

    async def _write_on(self, number: int) -> None:
        partition = self._partitions[number]
        while True:
            await partition.wake.wait()
            try:
                producer = await self._producing()
            except Misconfigured as error:
                self._end(error)
                raise
            partition.wake.clear()
            groups, partition.waiting = partition.waiting, []
            failure: Exception | None = _away("the stream is closed")
            try:
                await self._write(producer, groups, number)
                failure = None
            except (KafkaError, Transient) as error:
                failure = _away(str(error) or type(error).__name__)
                await self._drop_producer(producer)
            finally:
                self._waiting_bytes -= sum(group.bytes for group in groups)
                self._on_state("" if failure is None else str(failure))
                for group in groups:
                    _settle(group, failure)

    def _end(self, error: Exception) -> None:
        """Everyone who waits or comes later gets `error`."""
        self._ended_by = error
        for partition in self._partitions:
            for group in partition.waiting:
                self._waiting_bytes -= group.bytes
                _settle(group, error)
            partition.waiting = []

    async def _write(self, producer: AIOKafkaProducer, groups: list[_Group], number: int) -> None:
        acks: set[asyncio.Future[Any]] = set()
        builder = producer.create_batch()
        for group in groups:
            for key, value, timestamp_ms in group.records:
                if builder.append(key=key, value=value, timestamp=timestamp_ms) is None:
                    acks.add(await producer.send_batch(builder, self._topic, partition=number))
                    builder = producer.create_batch()
                    builder.append(key=key, value=value, timestamp=timestamp_ms)
        if builder.record_count():
            acks.add(await producer.send_batch(builder, self._topic, partition=number))
        # Not gather: it would cancel the batches' futures, and aiokafka's sender stumbles over a cancelled one.
        while acks:
            done, _ = await asyncio.wait({*acks, self._given_up}, return_when=asyncio.FIRST_COMPLETED)
            if producer is not self._producer:
                raise _away("the connection was given up")
            for ack in done:
                ack.result()
            acks -= done

    async def _producing(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                self._producer = await retrying(
                    self._start_checked, on_retry=lambda error, _: self._on_state(str(error))
                )
                self._given_up = asyncio.get_running_loop().create_future()
            producer: AIOKafkaProducer = self._producer
            return producer

    async def _start_checked(self) -> AIOKafkaProducer:
        """The topic is looked at before the first write, which would make a missing one on a broker that allows it."""
        producer = await self._start()
        try:
            cluster = await producer.client.fetch_all_metadata()
        except KafkaError as error:
            await producer.stop()
            raise _away(str(error)) from None
        found = len(cluster.partitions_for_topic(self._topic) or ())
        if found != len(self._partitions):
            await producer.stop()
            _refuse_topic(self._topic, found, len(self._partitions))
        return producer

    async def _drop_producer(self, failed: Any) -> None:
        """A producer that failed once may have lost count of its sequence numbers: the next write takes a new one."""
        if failed is None or failed is not self._producer:
            return
        self._producer = None
        self._given_up.set_result(None)
        stopping = asyncio.ensure_future(failed.stop())
        await asyncio.wait({stopping}, timeout=CLOSE_S)
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)


def _refuse_topic(topic: str, found: int, expected: int) -> None:
    if not found:
        raise Misconfigured(MisconfiguredCode.TOPIC_MISSING, f"There is no topic {topic}; run `pulse migrate`.")
    raise Misconfigured(
        MisconfiguredCode.SETTING,
        f"partitions is {expected}, but topic {topic} has {found}; set partitions to {found}.",
    )


def _away(detail: str) -> Transient:
    return Transient(TransientCode.BROKER_AWAY, detail)


def _settle(group: _Group, failure: Exception | None) -> None:
    if group.acked.done():
        return
    if failure is None:
        group.acked.set_result(None)
    else:
        group.acked.set_exception(failure)
