"""Reads the changelogs of newly assigned partitions to their end, before the first record of them."""

import asyncio
import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from agents.stage import Stage
from connectors import telemetry
from connectors.kafka_producer import pack
from connectors.retry import retrying
from connectors.wire import Run
from pipeline.changelog import HEADER, Changelog, header_of
from pipeline.codes import MisconfiguredCode, TransientCode
from pipeline.errors import Misconfigured, Transient
from pipeline.state import StageState
from pipeline.versions import generation_of

FETCH_BYTES = 4 << 20  # of one partition at a time
METADATA_PAUSE_MS = 10  # the client learns of one topic after another, with such a pause between: 100 by default
ATTEMPTS = 6  # within some seconds; then a supervisor starts the process again

Changelogs = Mapping[tuple[str, int], Changelog]  # by changelog topic and partition
log = telemetry.log(__name__)


@dataclass(slots=True)
class Held:
    """One partition of one stage, held during one assignment."""

    stage: Stage
    partition: int
    state: StageState
    changelog: Changelog
    unacked: list[Any] = field(default_factory=list)
    # The first offset that has not come yet, -1 before anything has; and the one behind what came without a fetch.
    next_offset: int = -1
    own_to: int = -1

    @property
    def restored_keys(self) -> frozenset[bytes]:
        """Keys of the rows that were restored with `keep_keys`; to be asked before any of them is written."""
        return self.changelog.keys - {HEADER}


async def restore(
    wanted: Sequence[tuple[Stage, int]],
    topic_ids: Mapping[str, str],
    consumer_config: Mapping[str, Any],
    *,
    keep_keys: bool = False,
) -> dict[tuple[str, int], Held]:
    """States of these (stage, partition) pairs, by (source topic, partition). `keep_keys`: for `restored_keys`.

    Raises Misconfigured: `topic_recreated`, `state_version`.
    """
    if not wanted:
        return {}
    held = {}
    with _no_collections():
        # From the start again: what a broken connection left half read is not gone on with.
        changelogs, ends = await retrying(
            lambda: _read_anew(wanted, consumer_config), attempts=ATTEMPTS, on_retry=_say_again
        )
        for stage, number in wanted:
            changelog = changelogs[stage.changelog, number]
            end = ends[TopicPartition(stage.source, number)]
            # In a thread: a million rows take seconds, and a worker that says nothing for so long loses its place.
            held[stage.source, number] = await asyncio.to_thread(
                _held, stage, number, changelog, topic_ids[stage.source], end
            )
            if not keep_keys:
                await asyncio.to_thread(changelog.forget_keys)
    return held


def _say_again(failure: Transient, wait_s: float) -> None:
    log.warning("reading the changelogs again", reason=failure.detail, wait_s=round(wait_s, 3))


async def _read_anew(
    wanted: Sequence[tuple[Stage, int]], consumer_config: Mapping[str, Any]
) -> tuple[Changelogs, dict[TopicPartition, int]]:
    """The changelogs of these, read to their end, and the ends of their sources. Raises Transient(BROKER_AWAY)."""
    changelogs = {
        (stage.changelog, number): Changelog(os.urandom(6).hex().encode(), pack=pack) for stage, number in wanted
    }
    sources = [TopicPartition(stage.source, number) for stage, number in wanted]
    consumer = AIOKafkaConsumer(
        **{**consumer_config, "max_partition_fetch_bytes": FETCH_BYTES},
        auto_offset_reset="earliest",
        retry_backoff_ms=METADATA_PAUSE_MS,
    )
    try:
        await consumer.start()
        return changelogs, await _read(consumer, changelogs, sources)
    except (KafkaError, OSError) as error:
        if isinstance(error, KafkaError) and not (error.retriable or isinstance(error, KafkaTimeoutError)):
            raise
        raise Transient(TransientCode.BROKER_AWAY, f"{consumer_config['bootstrap_servers']}: {error!r}") from error
    finally:
        await consumer.stop()


async def _read(
    consumer: AIOKafkaConsumer, changelogs: Changelogs, sources: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    """Every changelog to its end. Returns the ends of the sources."""
    logs = [TopicPartition(topic, number) for topic, number in changelogs]
    # Asked before the first fetch: a broker answers a connection in order, and a fetch may wait for records.
    starts, ends = await consumer.beginning_offsets(logs), await consumer.end_offsets([*logs, *sources])
    todo = {tp for tp in logs if starts[tp] < ends[tp]}
    consumer.assign(list(todo))
    for tp in todo:
        consumer.seek(tp, starts[tp])
    taking: asyncio.Future[None] = asyncio.ensure_future(asyncio.sleep(0))
    while todo:
        fetched = await consumer.getmany(*todo, timeout_ms=200)
        await taking
        # In a thread: meanwhile the next records are fetched and unpacked.
        runs = [(changelogs[tp.topic, tp.partition], runs) for tp, runs in fetched.items()]
        taking = asyncio.ensure_future(asyncio.to_thread(_take, runs))
        todo = {tp for tp in todo if await consumer.position(tp) < ends[tp]}
    await taking
    return {tp: ends[tp] for tp in sources}


def _take(fetched: Sequence[tuple[Changelog, Sequence[Any]]]) -> None:
    """Whole batches where this process coalesces the topic, as bytes if C reads them; else single records."""
    for changelog, runs in fetched:
        for run in runs:
            if not isinstance(run, Run):
                changelog.read((run,))
            elif run.batches is None:
                changelog.read(run.records)
            else:
                for batch in run.batches:
                    changelog.read_batch(batch)


@contextmanager
def _no_collections() -> Iterator[None]:
    """What is restored stays: looking through it again and again costs more than reading it.

    What an earlier restore has left is collected before; afterwards everything alive is left out of collections.
    """
    gc.unfreeze()
    gc.collect()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


def _held(stage: Stage, number: int, changelog: Changelog, topic_id: str, source_end: int) -> Held:
    header = header_of(changelog.pick(HEADER), topic=stage.source, topic_id=topic_id)
    counted_to = -1 if header is None else header[2]
    if counted_to >= source_end:
        raise Misconfigured(
            MisconfiguredCode.TOPIC_RECREATED,
            f"partition {number} of {stage.source} ends at offset {source_end}, but {counted_to + 1} records of it "
            "were counted: the topic lost records or was created again; restore it, or use new versions of the topics",
        )
    state = stage.make(number, topic_id, 0 if header is None else generation_of(header[0]))
    first = [] if header is None else [(HEADER, header)]
    state.load(changelog.drain(first), counted_to=counted_to)
    return Held(stage, number, state, changelog)
