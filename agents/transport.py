"""Faust with whole fetched batches: one Faust message per (partition, run of record batches).

An agent on a coalesced topic receives a list of aiokafka `DefaultRecord` (offset, timestamp, key, value,
headers) as its value; the list may be empty (a position that moved over transaction markers or compacted
records). Agents, acks, commits and rebalances work as in stock Faust, at about 0.4 us per record instead of 160.

It also mends six faults of the stock consumer (faust-streaming 0.15.3): commits forgotten at every rebalance,
commits that stall at gaps between messages, the live partition set that makes a paused fetch return foreign
records, a fetch position that is not rewound for partitions without a committed offset, a second of sleep
whenever back-pressure has paused them all, and a watch over stalled partitions that ends the worker after a rebalance.

Private interfaces of three pinned packages: `tests/contract/test_transport.py` holds one test for each.
`COALESCED` holds for the whole process: every aiokafka consumer in it gets Runs from getmany() on these topics.
"""

import asyncio
from collections.abc import AsyncIterator, Set
from contextlib import suppress
from functools import partial
from typing import Any

import faust
from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import ConsumerMessage

from connectors.fetch_messages import speak_quickly
from connectors.wire import COALESCED, RAW, RUN_RECORDS, deliver_whole_batches, together

MAX_RECORDS = RUN_RECORDS
# What comes is published at once, so that this is also how often totals leave at low rates. A shorter wait makes all
# quicker and costs processor: 14 ms and 20 ms differ by some 5 ms, and by 0.03 of a core.
FETCH_MIN_BYTES, FETCH_WAIT_MS = 64 << 10, 22
NEVER = 2**63


def coalesce(topics: set[str], *, raw: Set[str] = frozenset()) -> None:
    """Deliver these topics by whole batches to every aiokafka consumer of this process, `raw` ones as their bytes."""
    COALESCED.update(topics)
    RAW.update(raw)
    deliver_whole_batches()
    speak_quickly()


class CoalescingConsumer(driver.Consumer):  # type: ignore[misc]
    async def getmany(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:
        fetched, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if fetched is None or self.should_stop:
            return
        if not self.flow_active:
            await self.perform_seek()
            return

        def current() -> bool:
            return bool(self.flow_active and self.app.consumer_generation_id == generation)

        def wanted(tp: Any) -> bool:
            return active is None or tp in active or tp in self._buffered_partitions

        one_by_one = {}
        for tp, runs in fetched.items():
            if tp.topic not in COALESCED:
                one_by_one[tp] = runs
                continue
            taken, count = [], 0
            for run in runs:
                taken.append(run)
                count += len(run)
                if count < MAX_RECORDS and run is not runs[-1]:
                    continue
                if not current():
                    return
                if not wanted(tp):
                    break
                yield (
                    tp,
                    ConsumerMessage(
                        tp.topic,
                        tp.partition,
                        run.next_offset - 1,
                        run.timestamp / 1000.0,
                        0,
                        (),
                        None,
                        together(taken),
                        None,
                        0,
                        0,
                        tp,
                        generation_id=generation,
                    ),
                )
                taken, count = [], 0
        for tp, record in self.scheduler.iterate(one_by_one):
            if not current():
                return
            if wanted(tp):
                yield tp, self._to_message(tp, record)

    async def _drain_messages(self, fetcher: Any) -> None:
        # Stock makes five tasks for every message and one for every fetch, 40 µs each time, so that a rebalance can
        # break off what waits. Mostly nothing does.
        try:
            while not (self.should_stop or fetcher.should_stop):
                await asyncio.sleep(0)
                async for tp, message in self.getmany(timeout=1.0):
                    read = self._read_offset[tp]
                    if read is not None and message.offset < read:
                        continue
                    if self._would_wait(tp):
                        await self.wait_first(self.callback(message), self.suspend_flow.wait())
                    else:
                        await self.callback(message)
                    self._read_offset[tp] = message.offset
        except (asyncio.CancelledError, *self.consumer_stopped_errors):
            if not self.transport.app.should_stop:
                raise

    def _would_wait(self, tp: Any) -> bool:
        """Whether a message would have to wait until it is in the queue of its stream."""
        if not self.app.flow_control.is_active():
            return True
        return any(channel.queue.full() for channel in self.app.topics._tp_index[tp])

    async def _wait_next_records(self, timeout: float) -> Any:
        # Stock sleeps one second when back-pressure has paused every partition.
        if self.flow_active and self._buffered_partitions and not self._get_active_partitions():
            await asyncio.sleep(0.005)
            return {}, set()
        return await super()._wait_next_records(timeout)

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:
        # Stock hands the live set to the consumer thread; emptied there by a pause it means "every partition".
        if active_partitions is not None:
            active_partitions = frozenset(active_partitions)
            if not active_partitions:
                return {}
        return await super()._getmany(active_partitions, timeout)

    async def perform_seek(self) -> None:
        await super().perform_seek()
        # Stock leaves a partition without a committed offset wherever its fetch position happens to be.
        fresh = [
            tp for tp in self.assignment() if self._committed_offset.get(tp) is None and not self._is_changelog_tp(tp)
        ]
        if fresh:
            await self._thread.seek_to_beginning(*(TopicPartition(tp.topic, tp.partition) for tp in fresh))
            for tp in fresh:
                self._read_offset.pop(tp, None)

    async def on_partitions_revoked(self, revoked: Any) -> None:
        # Stock drops what was acked and only then commits: every rebalance repeats up to a commit interval.
        if not self.app.should_stop and self.assignment():
            self.stop_flow()
            self.app.flow_control.suspend()
            self.app.flow_control.clear()
            await self.wait_empty()
        await super().on_partitions_revoked(revoked)

    def verify_event_path(self, now: float, tp: Any) -> None:
        # Stock's livelock detector fails on a partition that has no position yet, as after a rebalance, and takes the
        # worker with it. What it would tell is in the lag of every partition.
        return

    async def _add_gap(self, tp: Any, first: int, last: int) -> None:
        # Stock notes every offset between two messages as missing. Here a message stands for all offsets before it.
        return

    def _new_offset(self, tp: Any) -> int | None:
        # Stock lists and sorts every single offset up to here (0.3 us per record), and what it takes for a gap stalls
        # commits. An agent takes the messages of a partition in order: all before the first that waits are done.
        acked = self._acked[tp]
        waiting = min((message.offset for message in self._unacked_messages if message.tp == tp), default=NEVER)
        done = [offset for offset in acked if offset < waiting]
        if not done:
            return None
        acked[:] = [offset for offset in acked if offset > waiting]
        self._acked_index[tp].difference_update(done)
        return int(max(done)) + 1

    def _new_consumer_thread(self) -> Any:
        return PatientThread(self, loop=self.loop, beacon=self.beacon)


class PatientThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Lets the broker gather a little: at low rates a fetch for every few records costs more than counting them."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_min_bytes, consumer._fetch_max_wait_ms = FETCH_MIN_BYTES, FETCH_WAIT_MS
        return consumer

    async def getmany(self, active_partitions: Any, timeout: float) -> Any:
        # Stock hands the call to a queue of the thread with two workers, which cost more than a fetch itself.
        fetch = partial(self._fetch_records, self._ensure_consumer(), active_partitions, timeout=timeout)
        asked, fetched = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        def done(task: asyncio.Task[Any]) -> None:
            with suppress(RuntimeError):  # the loop has been closed meanwhile: nobody waits
                asked.call_soon_threadsafe(_settle, fetched, task)

        def start() -> None:
            self._fetching = self.thread_loop.create_task(fetch())  # a loop does not keep its tasks alive
            self._fetching.add_done_callback(done)

        self.thread_loop.call_soon_threadsafe(start)
        return await fetched


def _settle(future: asyncio.Future[Any], task: asyncio.Task[Any]) -> None:
    """What came of the task is what came of the future, unless nobody waits for it any more."""
    if future.done():
        return
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    if error is None:
        future.set_result(task.result())
    else:
        future.set_exception(error)


class CoalescingTransport(driver.Transport):  # type: ignore[misc]
    Consumer = CoalescingConsumer


class UndecodedTopic(faust.Schema):  # type: ignore[misc]
    """Of a topic in `COALESCED`: what comes is what an agent gets, nothing is to be decoded."""

    def compile(self, app: Any, **_: Any) -> Any:
        async def decode(message: Any, *, propagate: bool = False) -> faust.Event:
            return faust.Event(app, message.key, message.value, None, message)

        return decode


class CoalescingApp(faust.App):  # type: ignore[misc]
    """Nothing is sent by Faust's own producer."""

    def on_init_dependencies(self) -> Any:
        dependencies = super().on_init_dependencies()
        self.sensors.remove(self.monitor)  # looks at every message several times, and nobody asks what it has seen
        self.producer.buffer.wait_until_ebb = _empty  # asked for every message; looks up three settings each time
        return dependencies

    def _new_transport(self) -> Any:
        return CoalescingTransport(self.conf.broker_consumer, self)


async def _empty() -> None:
    """There is room in the buffer of a producer that is not used."""
