"""The one loop of every stateful stage: count, then write totals, then the changelog, then acknowledge.

Totals go out more often than the rest, so that a reader need not wait. Proved by killing it anywhere: a row says
which offset it has counted, so what is repeated changes nothing; totals go first, because a changelog that is ahead
of them would make the replay silent. Whatever cannot be written ends the process and a supervisor starts it again:
nothing unacknowledged was committed.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaProducer

from agents.batches import Ack, Batches, hand_over
from agents.record_batches import records_at
from agents.restore import Held, restore
from agents.stage import Stage
from agents.stage_telemetry import tell_lag, tell_tallies
from connectors import telemetry
from connectors.kafka import partition_of
from pipeline.errors import Misconfigured
from pipeline.outputs import runs_of
from pipeline.state import Output, SourceRecord, records_from
from schemas.topics import REKEYED

MAX_PENDING = 50_000  # rows that wait for a flush before the agent waits for one
REST_PER_WORK, LONGEST_REST_S = 3.0, 1.0
# So many records since the last time are a backlog, where nobody waits for one row.
BUSY_RECORDS, BUSY_REST_PER_WORK = 10_000, 12.0
TOGETHER_S = 0.001  # what came of several partitions in one fetch is counted one after the other, and leaves at once
BEAT_S = 0.5
FROZEN_SHARE = 0.8  # of the session timeout: after that the group has given our partitions away
EXIT_BUG, EXIT_MISCONFIGURED = 70, 78
CREATE_TIME = 0  # in what the broker answers: records keep the times they were sent with

log = telemetry.log(__name__)


def die(reason: str, code: int = EXIT_BUG) -> None:
    """End at once, without a commit. The supervisor starts the process again, except after exit 78."""
    os.write(2, f"{reason}\n".encode())
    os._exit(code)


class Shell:
    def __init__(
        self,
        stages: tuple[Stage, ...],
        *,
        topic_ids: Mapping[str, str],
        consumer_config: Mapping[str, Any],
        session_s: float,
        partitions: int,
        reach: Callable[[str], None],
    ) -> None:
        self.stages = {stage.source: stage for stage in stages}
        self._topic_ids, self._consumer_config = topic_ids, consumer_config
        self._session_s, self._partitions = session_s, partitions
        self._reach = reach
        self._held: dict[tuple[str, int], Held] = {}
        self._flushing = {stage.source: asyncio.Lock() for stage in stages}
        # What is taken first is handed over first: the judge reads finals and checkpoints in the order of their making.
        self._publishing = {stage.source: asyncio.Lock() for stage in stages}
        self._producer: AIOKafkaProducer | None = None
        self._counted = {stage.source: asyncio.Event() for stage in stages}  # something, since the last publishing
        self._fresh: dict[str, int] = {}  # topic -> records counted since it was last published
        self._unanswered: dict[str, list[Ack]] = {stage.source: [] for stage in stages}  # of what was published early
        self._when_acked = dict.fromkeys(self.stages, self._count_own)
        self._lets_go = False
        self._beat_at: float | None = None
        self.on_restored: Callable[[], None] = lambda: None

    async def start(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def stop(self) -> None:
        await self.let_go()
        if self._producer is not None:
            await self._producer.stop()

    def beat(self) -> None:
        """Refuse to go on after a freeze. A courtesy to readers of the totals; the proof is in the changelog keys."""
        self._refuse_after_freeze()
        self._beat_at = time.clock_gettime(time.CLOCK_BOOTTIME)

    def _refuse_after_freeze(self) -> None:
        if self._beat_at is None:
            return
        silent_s = time.clock_gettime(time.CLOCK_BOOTTIME) - self._beat_at
        if silent_s > FROZEN_SHARE * self._session_s:
            die(f"frozen for {silent_s:.1f} s: the group has given the partitions of this worker away")

    def keep_beating(self) -> None:
        """In a thread, as the heartbeat to the group is: long work is no freeze, to neither of them."""
        while True:
            self.beat()
            time.sleep(BEAT_S)

    # -- assignment ------------------------------------------------------------------------------------------

    async def let_go(self) -> None:
        """Hold nothing any more; what was counted is kept before.

        The consumer waits until everything it has fetched is acknowledged, but what was counted without a fetch would
        be forgotten by a rebalance, or be written after the producer has stopped.
        """
        self._lets_go = True
        for topic in self.stages:
            if any(held.state.pending or held.unacked for _, held in self._of(topic)):
                await self._or_die(topic, self.flush)
        self._held.clear()
        self._lets_go = False

    async def restore(self, assigned: Iterable[tuple[str, int]], *, still_current: Callable[[], bool]) -> None:
        """Awaited while the source partitions are paused; thrown away if a newer assignment has overtaken it."""
        wanted = [(self.stages[topic], number) for topic, number in sorted(assigned) if topic in self.stages]
        started = time.monotonic()
        try:
            held = await restore(wanted, self._topic_ids, self._consumer_config)
        except Misconfigured as error:
            die(str(error), EXIT_MISCONFIGURED)
        if still_current():
            self._held = held
            self.on_restored()
            seconds = round(time.monotonic() - started, 3)
            log.info("state restored", partitions=len(held), seconds=seconds)

    # -- records ---------------------------------------------------------------------------------------------

    async def count(self, topic: str, event: Any) -> None:
        """Apply one fetched batch; its ack waits for the flush that covers it."""
        held = self._held[topic, event.message.partition]
        self._apply(held, records_from(event.value, held.own_to), event.message.offset + 1)
        event.value = event.message.value = None  # it is kept until it is acknowledged, its records need not be
        held.unacked.append(event)
        if held.state.pending > MAX_PENDING:
            await self.flush(topic)

    def _count_own(self, batch: Any, ack: Ack) -> None:
        """Count what was written here to a topic that is counted here as well, when the broker has it.

        Who waited for the next fetch of it waited twice: the judge, for every alert. That fetch brings the same
        records once more, and with them the acknowledgement. Only if nothing is missing before it, by the offset that
        the broker gave it (-1: it does not say), and if its times are those it was sent with: so it is as if fetched.
        """
        if self._lets_go or ack.cancelled() or ack.exception() is not None:
            return  # who awaits it ends the process
        place = ack.result()
        held = self._held.get((place.topic, place.partition))
        if held is None or place.offset < 0 or place.offset != held.next_offset or place.timestamp_type != CREATE_TIME:
            return
        if held.state.pending > MAX_PENDING or not (records := records_at(batch, place.offset)):
            return
        held.own_to = place.offset + len(records)
        try:
            self._apply(held, records, held.own_to)
        except Exception as error:
            log.exception("counting failed", topic=place.topic)
            die(f"counting {place.topic} failed: {error!r}")

    def _apply(self, held: Held, records: Sequence[SourceRecord], next_offset: int) -> None:
        """`next_offset`: what follows them. A fetch may bring less than has come already."""
        held.next_offset = max(held.next_offset, next_offset)
        if records:
            topic = held.stage.source
            held.state.count(records)
            self._fresh[topic] = self._fresh.get(topic, 0) + len(records)
            self._counted[topic].set()

    async def publish(self, topic: str) -> None:
        """Only totals and alerts, so that readers need not wait for the changelog.

        Also while a flush waits for the broker to acknowledge: the producer keeps the order of a partition.
        """
        async with self._publishing[topic]:
            self._refuse_after_freeze()
            outputs: Batches = {}
            for number, held in self._of(topic):
                if held.state.pending:
                    self._route(held.state.publish(), number, outputs)
            if not outputs or self._producer is None:
                return
            acks = await hand_over(self._producer, outputs, self._when_acked)
            self._unanswered[topic] = [ack for ack in self._unanswered[topic] if not ack.done()] + acks
        await asyncio.gather(*acks)
        self._reach("published")

    async def flush(self, topic: str) -> None:
        async with self._flushing[topic]:
            self._refuse_after_freeze()
            self._reach("before_flush")
            acked: list[list[Any]] = []
            acks: list[Ack] = []
            rows: Batches = {}
            for number, held in self._of(topic):
                async with self._publishing[topic]:
                    if self._held.get((topic, number)) is held:
                        acks += await self._take(held, number, acked, rows)
                await asyncio.sleep(0)  # a partition at a time: what comes in meanwhile shall not wait for them all
            if not acked or self._producer is None:
                return
            # What was published early as well: the rows say it is out, and another broker may be slower with it.
            await asyncio.gather(*acks, *self._unanswered[topic])
            self._reach("totals_written")
            acks = []
            for place, records in rows.items():
                acks.extend(await hand_over(self._producer, {place: records}))
                await asyncio.sleep(0)
            await asyncio.gather(*acks)
            self._reach("rows_written")
            for event in chain.from_iterable(acked):
                event.ack()
            telemetry.flush_age_s()
            self._reach("acked")

    async def _take(self, held: Held, number: int, acked: list[list[Any]], rows: Batches) -> list[Ack]:
        """Hand over what a partition has to publish; add to what it has to acknowledge afterwards, and to keep."""
        if self._producer is None or not (held.unacked or held.state.pending):
            return []
        events, held.unacked = held.unacked, []
        acked.append(events)
        change = held.state.take()
        outputs: Batches = {}
        self._route(change.outputs, number, outputs)
        if change.rows:
            rows[held.stage.changelog, number] = held.changelog.write(change.rows)
        tell_tallies(held)
        return await hand_over(self._producer, outputs, self._when_acked)

    def _of(self, topic: str) -> list[tuple[int, Held]]:
        return [(number, held) for (source, number), held in self._held.items() if source == topic]

    def _route(self, outputs: Iterable[Output], number: int, batches: Batches) -> None:
        for name, run in runs_of(outputs):
            if name in REKEYED:
                for key, value in run:
                    partition = partition_of(key or b"", self._partitions)
                    batches.setdefault((name, partition), []).append((key, value))
            elif (name, number) in batches:
                batches[name, number].extend(run)
            else:
                batches[name, number] = run

    async def keep_publishing(self, topic: str, every_s: float) -> None:
        """As soon as something was counted; seldomer under load, so that a total is written once for many records."""
        counted, rested_s = self._counted[topic], 0.0  # monotonic
        while True:
            await counted.wait()
            await asyncio.sleep(max(TOGETHER_S, rested_s - time.monotonic()))
            counted.clear()
            busy = self._fresh.pop(topic, 0) > BUSY_RECORDS
            worked_s = time.thread_time()
            await self._or_die(topic, self.publish)
            # Its own work, not the wait for the broker: that would make rests long, and rests make flushes large.
            worked_s = (time.thread_time() - worked_s) * (BUSY_REST_PER_WORK if busy else REST_PER_WORK)
            rested_s = time.monotonic() + min(max(every_s, worked_s), max(every_s, LONGEST_REST_S))

    async def keep_flushing(self, topic: str, every_s: float) -> None:
        # Not `while not stopping`: the stopping consumer waits for the acks that this task gives.
        while True:
            await asyncio.sleep(every_s)
            await self._or_die(topic, self.flush)

    async def _or_die(self, topic: str, write: Callable[[str], Awaitable[None]]) -> None:
        try:
            await write(topic)
        except Exception as error:  # noqa: BLE001 - the one place where everything ends the process
            die(f"flush of {topic} failed: {error!r}")

    def report_lag(self, end_of: Callable[[str, int], int | None], now_ms: int) -> None:
        """Tell how far behind each partition is. `end_of`: its end as last fetched."""
        tell_lag(self._held, end_of, now_ms)
