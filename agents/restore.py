"""Reads the changelogs of newly assigned partitions to their end, before the first record of them."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from agents.stage import Stage
from pipeline.changelog import HEADER, Changelog, header_of
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured
from pipeline.state import StageState
from pipeline.versions import generation_of


@dataclass(slots=True)
class Held:
    """One partition of one stage, held during one assignment."""

    stage: Stage
    partition: int
    state: StageState
    changelog: Changelog
    keys: frozenset[bytes]  # of the rows that were restored
    unacked: list[Any] = field(default_factory=list)


async def restore(
    wanted: Sequence[tuple[Stage, int]], topic_ids: Mapping[str, str], consumer_config: Mapping[str, Any]
) -> dict[tuple[str, int], Held]:
    """States of these (stage, partition) pairs, by (source topic, partition). 200 000 rows take about half a second.

    Raises Misconfigured: `topic_recreated`, `state_version`.
    """
    if not wanted:
        return {}
    changelogs = {(stage.changelog, number): Changelog(os.urandom(6).hex().encode()) for stage, number in wanted}
    consumer = AIOKafkaConsumer(
        **{**consumer_config, "max_partition_fetch_bytes": 4 << 20}, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        todo = {TopicPartition(topic, number) for topic, number in changelogs}
        sources = [TopicPartition(stage.source, number) for stage, number in wanted]
        consumer.assign(list(todo))
        ends = await consumer.end_offsets([*todo, *sources])
        while todo := {tp for tp in todo if await consumer.position(tp) < ends[tp]}:
            for tp, runs in (await consumer.getmany(*todo, timeout_ms=200)).items():
                for run in runs:  # whole batches where this process coalesces the topic, else single records
                    changelogs[tp.topic, tp.partition].read(getattr(run, "records", (run,)))
                await asyncio.sleep(0)
    finally:
        await consumer.stop()
    held = {}
    for stage, number in wanted:
        changelog = changelogs[stage.changelog, number]
        end = ends[TopicPartition(stage.source, number)]
        held[stage.source, number] = _held(stage, number, changelog, topic_ids[stage.source], end)
    return held


def _held(stage: Stage, number: int, changelog: Changelog, topic_id: str, source_end: int) -> Held:
    rows = changelog.rows()
    header = header_of(rows, topic=stage.source, topic_id=topic_id)
    counted_to = -1 if header is None else header[2]
    if counted_to >= source_end:
        raise Misconfigured(
            MisconfiguredCode.TOPIC_RECREATED,
            f"partition {number} of {stage.source} ends at offset {source_end}, but {counted_to + 1} records of it "
            "were counted: the topic lost records or was created again; restore it, or use new versions of the topics",
        )
    state = stage.make(number, topic_id, 0 if header is None else generation_of(header[0]))
    pairs = list(rows.items())
    if header is not None:
        pairs.insert(0, (HEADER, header))
    state.load(pairs, counted_to=counted_to)
    return Held(stage, number, state, changelog, keys=frozenset(rows))
