"""The sink: every topic of `schemas.tables` into its tables, from where the last stored range ends.

A plain consumer without a group: partitions are assigned by hand and offsets live in `sink_blocks`. Order per
partition: rows, dead letters, range, and only then the next block. A kill between any two steps repeats a
block; equal keys replace each other, so that changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError

from connectors import telemetry
from connectors.clickhouse import gauges
from connectors.clickhouse.client import connect_async, sorted_errors
from connectors.clickhouse.held import Cut
from connectors.clickhouse.lane import Lane
from connectors.clickhouse.migrations import pending
from connectors.clickhouse.positions import Place, Stored, last_stored, refuse_lost
from connectors.clickhouse.writer import CHECK, BlockWriter
from connectors.clock import Clock
from connectors.failpoints import SINK_PLACES, failpoints
from connectors.fetch_messages import speak_quickly
from connectors.kafka import consumer_config
from connectors.kafka_admin import topic_ids
from connectors.kafka_producer import start_producer
from connectors.retry import Stopped, retrying
from connectors.settings import Settings
from connectors.wire import WholeBatches, deliver_whole_batches, together
from pipeline.codes import MisconfiguredCode, Stage, TransientCode
from pipeline.dead_letters import dead_letter
from pipeline.errors import BadRecord, Misconfigured, Transient
from pipeline.outputs import BATCH_BYTES
from pipeline.row_layouts import reads
from pipeline.rows import Block
from pipeline.state import SourceRecord
from schemas.tables import RAW_RECORDS, SINK_TOPICS, TABLES_OF
from schemas.topics import DEAD_LETTERS

T = TypeVar("T")
BLOCK_BYTES = 8 << 20
HELD_BYTES = 64 << 20  # of all partitions together, the blocks that are being written included
FETCH_BYTES = 512 << 10  # of one partition's next fetch, which waits inside the consumer, compressed as it came
# The broker gathers a little: totals come every 20 ms, and a fetch for each costs both sides more than the records.
FETCH_MIN_BYTES, FETCH_WAIT_MS = 128 << 10, 100
POLL_MS = 200
THROTTLED_MS = 20  # of a poll that leaves partitions out: they want back in as soon as a block is stored
RUN_BYTES = 2 << 20  # what a run of record batches is taken to hold until it is seen
RUN_ENDS_BYTES = RUN_BYTES - BATCH_BYTES  # with the batch that brings it here: the largest of ours still fits
MOST_RUNS = 64  # of one poll
STATUS_S = 2.0  # how often lag and age are told
LAST_FLUSH_S = 2.0  # what a stop may take
KAFKA_CHECK = "kafka"
log = telemetry.log(__name__)


async def run_sink(
    settings: Settings, clock: Clock, *, stop: asyncio.Event, topics: Sequence[str] = SINK_TOPICS
) -> None:
    """Stores until `stop` is set, then stores what it has fetched and returns.

    Raises Misconfigured: a topic is missing, was made again or lost stored records, migrations are outstanding,
    ClickHouse refuses us.
    While Kafka or ClickHouse is away it waits and says so in health.
    """
    telemetry.health.expect(CHECK, "connecting")
    telemetry.health.expect(KAFKA_CHECK, "connecting")
    async with AsyncExitStack() as stack:
        try:
            ids = await _patiently(lambda: asyncio.to_thread(topic_ids, settings, topics), KAFKA_CHECK, stop)
            await _patiently(lambda: asyncio.to_thread(_refuse_pending, settings), CHECK, stop)
            client = await _patiently(lambda: connect_async(settings), CHECK, stop)
            stack.push_async_callback(client.close)
            consumer = await _patiently(lambda: _start_consumer(settings, topics), KAFKA_CHECK, stop)
            stack.push_async_callback(consumer.stop)

            async def read_positions() -> dict[Place, Stored]:
                with sorted_errors(settings):
                    return await last_stored(client, ids)

            stored = await _patiently(read_positions, CHECK, stop)
        except Stopped:
            return
        give_up = asyncio.Event()
        letters = _Letters(settings, give_up)
        stack.push_async_callback(letters.close)
        writer = BlockWriter(client, settings, clock, letters.send, give_up)
        stack.callback(writer.close)
        sink = _Sink(settings, clock, consumer, writer, ids, stored)
        try:
            await _patiently(sink.start, KAFKA_CHECK, stop)
        except Stopped:
            return
        await sink.run(stop, give_up)


async def _patiently(call: Callable[[], Awaitable[T]], check: str, stop: asyncio.Event) -> T:
    said = False

    def waiting(failure: Transient, _wait_s: float) -> None:
        nonlocal said
        telemetry.retried(Stage.SINK, failure.code)
        telemetry.health.set(check, ok=False, detail=str(failure))
        if not said:
            said = True
            log.warning("waiting to start", part=check, detail=failure.detail)

    while True:
        try:
            result = await retrying(call, stop=stop, attempts=6, on_retry=waiting)
        except Transient:
            continue
        telemetry.health.set(check, ok=True)
        return result


def _refuse_pending(settings: Settings) -> None:
    missing = pending(settings)
    if missing:
        raise Misconfigured(
            MisconfiguredCode.SCHEMA_MISMATCH,
            f"Database {settings.clickhouse.database} lacks {len(missing)} migrations, the first is {missing[0]}; run "
            "`pulse migrate`.",
        )


async def _start_consumer(settings: Settings, topics: Sequence[str]) -> AIOKafkaConsumer:
    # A position that retention has overtaken goes on at the oldest record; the lane sees and tells the gap.
    deliver_whole_batches()
    speak_quickly()
    options = consumer_config(settings) | {
        "max_partition_fetch_bytes": FETCH_BYTES,
        "fetch_min_bytes": FETCH_MIN_BYTES,
        "fetch_max_wait_ms": FETCH_WAIT_MS,
        "key_deserializer": WholeBatches(raw={topic for topic in topics if reads(topic)}, run_bytes=RUN_ENDS_BYTES),
    }
    consumer = AIOKafkaConsumer(**options, group_id=None, auto_offset_reset="earliest")
    try:
        await consumer.start()
    except KafkaConnectionError as error:
        await consumer.stop()
        raise Transient(TransientCode.BROKER_AWAY, f"{settings.kafka.bootstrap_servers}: {error}") from None
    return consumer


class _Letters:
    """The producer of dead letters, made at the first: our own topics hold none."""

    def __init__(self, settings: Settings, give_up: asyncio.Event) -> None:
        self._settings, self._give_up = settings, give_up
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()

    async def send(self, block: Block, record: SourceRecord, error: BadRecord) -> None:
        letter = dead_letter(error, stage=Stage.SINK, topic=block.topic, partition=block.partition, record=record)

        async def once() -> None:
            async with self._lock:
                if self._producer is None:
                    self._producer = await start_producer(self._settings)
            try:
                await self._producer.send_and_wait(DEAD_LETTERS, letter, key=record.key, partition=block.partition)
            except (KafkaConnectionError, KafkaTimeoutError) as failure:
                raise Transient(TransientCode.BROKER_AWAY, str(failure)) from None

        await retrying(once, stop=self._give_up)

    async def close(self) -> None:
        if self._producer is not None:
            await self._producer.stop()


class _Sink:
    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        consumer: AIOKafkaConsumer,
        writer: BlockWriter,
        ids: dict[str, str],
        stored: dict[Place, Stored],
    ) -> None:
        self._clock, self._consumer, self._writer = clock, consumer, writer
        self._freed = asyncio.Event()
        wait_s = settings.sink.flush_s
        # Raw records and what is derived share no table: half of the work each, half of the time apart.
        afters = {topic: wait_s / 2 if TABLES_OF[topic] == (RAW_RECORDS,) else 0.0 for topic in ids}
        reach = failpoints(settings.sink.failpoints, SINK_PLACES)
        self._lanes = {
            TopicPartition(topic, number): Lane(
                topic,
                topic_id,
                number,
                last=stored.get((topic, number)),
                writer=writer,
                cut=Cut(settings.sink.block_rows, BLOCK_BYTES, wait_s, afters[topic]),
                freed=self._freed.set,
                reach=reach,
            )
            for topic, topic_id in ids.items()
            for number in range(settings.partitions)
        }

    async def start(self) -> None:
        """Assigns every partition and goes on behind its last stored range. Raises Misconfigured(TOPIC_RECREATED)."""
        places = list(self._lanes)
        self._consumer.assign(places)
        try:
            first = await self._consumer.beginning_offsets(places)
            end = await self._consumer.end_offsets(places)
        except KafkaError as error:
            raise Transient(TransientCode.BROKER_AWAY, str(error) or type(error).__name__) from None
        for place, lane in self._lanes.items():
            refuse_lost(place.topic, place.partition, end=end[place], stored_to=lane.next_offset)
            self._consumer.seek(place, max(lane.next_offset, first[place]))

    async def run(self, stop: asyncio.Event, give_up: asyncio.Event) -> None:
        gauges.held(lambda: self.held_bytes)
        async with asyncio.TaskGroup() as beside:
            ledger = beside.create_task(_quietly(self._writer.keep_ledger()))
            status = beside.create_task(self._tell_status())
            lanes = [beside.create_task(_quietly(lane.run())) for lane in self._lanes.values()]
            await self._fetch(stop)
            for lane in self._lanes.values():
                lane.close()
            _, late = await asyncio.wait(lanes, timeout=LAST_FLUSH_S)
            if late:
                give_up.set()
                log.warning("stopping with records that are not stored; the next start reads them again")
            for task in (ledger, status, *late):
                task.cancel()

    async def _fetch(self, stop: asyncio.Event) -> None:
        """A partition that may not take more is not asked for: its next fetch stays where it is, in the consumer."""
        while not stop.is_set():
            wanted = self._wanted()
            if not wanted:
                self._freed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._freed.wait(), POLL_MS / 1000)
                continue
            room = (HELD_BYTES - self.held_bytes) // RUN_BYTES
            batches = await self._consumer.getmany(
                *wanted,
                timeout_ms=POLL_MS if len(wanted) == len(self._lanes) else THROTTLED_MS,
                max_records=min(max(room, 1), MOST_RUNS),
            )
            for place, runs in batches.items():
                lane = self._lanes[place]
                for run in runs:
                    lane.add(together([run]))
            await asyncio.sleep(0)

    def _wanted(self) -> list[TopicPartition]:
        """Bounds memory: nothing for full partitions, and nothing at all but for empty ones while too much waits."""
        too_much = self.held_bytes >= HELD_BYTES
        return [place for place, lane in self._lanes.items() if not (lane.full or (too_much and lane.bytes))]

    @property
    def held_bytes(self) -> int:
        return sum([lane.bytes for lane in self._lanes.values()])

    async def _tell_status(self) -> None:
        """Age and lag. The broker is asked, because a fetch that finds nobody is silent."""
        while True:
            oldest = [lane.oldest_ms for lane in self._lanes.values() if lane.oldest_ms is not None]
            behind_s = (self._clock.now_ms() - min(oldest)) / 1000 if oldest else 0.0
            telemetry.sink_age_s(max(0.0, self._clock.real_seconds(behind_s)))
            telemetry.event_lag_s(Stage.SINK, max(0.0, behind_s))
            try:
                ends = await asyncio.wait_for(self._consumer.end_offsets(list(self._lanes)), 5 * STATUS_S)
            except (KafkaError, TimeoutError) as error:
                telemetry.health.set(KAFKA_CHECK, ok=False, detail=str(error) or type(error).__name__)
            else:
                telemetry.health.set(KAFKA_CHECK, ok=True)
                for place, lane in self._lanes.items():
                    telemetry.consumer_lag(place.topic, place.partition, max(0, ends[place] - lane.stored_to))
            await asyncio.sleep(STATUS_S)


async def _quietly(work: Awaitable[None]) -> None:
    """What was told to give up ends like what is done: the records it held are read again."""
    try:
        await work
    except Stopped:
        return
