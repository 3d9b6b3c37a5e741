"""A new generation of state: the raw records read again under the present code, compared with what was published.

Runs while no worker does. Per partition: the records up to the committed offset are counted into an empty state of
the next generation; rows that come out equal are kept silently, what differs is published with a version above
every earlier one, rows that are gone are published as zero. The judge then amends and retracts by itself.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from agents.batches import send_batches
from agents.restore import Held, restore
from agents.stage import Stage
from connectors import lag
from connectors.clickhouse.raw import StoredLetter, stored_dead_letters, stored_raw
from connectors.kafka import consumer_config
from connectors.kafka_admin import admin, topic_ids
from connectors.kafka_producer import start_producer
from connectors.settings import Settings
from connectors.wire import each_record
from pipeline.changelog import HEADER
from pipeline.dead_letters import cleared_letter
from pipeline.total_codec import CheckpointOut, encode_checkpoint
from schemas.topics import DEAD_LETTERS, RAW_EVENTS, TOTALS

STORE_BATCH = 20_000
Output = tuple[str, bytes | None, bytes]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What one partition came to. `from_store`: read from ClickHouse because Kafka no longer keeps them."""

    topic: str
    partition: int
    records: int
    from_store: int
    published: int
    generation: int


async def rebuild(
    settings: Settings, stages: Sequence[Stage], *, progress: Callable[[Rebuilt], None] = lambda _: None
) -> list[Rebuilt]:
    """Rebuild every partition of these stages. A second run starts another generation and publishes nothing new."""
    client = admin(settings)
    sources = [stage.source for stage in stages]
    ids = topic_ids(settings, [*sources, *(stage.changelog for stage in stages)])
    committed = lag.committed_offsets(client, settings.worker.group, sources, settings.partitions)
    starts = lag.start_offsets(client, sources, settings.partitions)
    wanted = [(stage, number) for stage in stages for number in range(settings.partitions)]
    held = await restore(wanted, ids, consumer_config(settings), keep_keys=True)
    producer = await start_producer(settings)
    done = []
    try:
        for place, old in held.items():
            reader = _records(settings, place, starts[place], committed[place])
            letters = stored_dead_letters(settings, *place)
            done.append(await _rebuild_one(old, ids[place[0]], reader, letters, producer, starts[place]))
            progress(done[-1])
    finally:
        await producer.stop()
    return done


async def _records(settings: Settings, place: tuple[str, int], start: int, end: int) -> AsyncIterator[list[Any]]:
    """Batches of the records below `end`, in order: those before `start` from the stored raw rows."""
    if start > 0:
        async for batch in stored_raw(settings, *place, below=min(start, end), batch=STORE_BATCH):
            yield batch
    if start >= end:
        return
    consumer = AIOKafkaConsumer(**consumer_config(settings), auto_offset_reset="earliest")
    await consumer.start()
    try:
        partition = TopicPartition(*place)
        consumer.assign([partition])
        consumer.seek(partition, start)
        while await consumer.position(partition) < end:
            for runs in (await consumer.getmany(partition, timeout_ms=500)).values():
                yield [record for record in each_record(runs) if record.offset < end]
    finally:
        await consumer.stop()


async def _rebuild_one(
    old: Held,
    topic_id: str,
    reader: AsyncIterator[list[Any]],
    letters: Sequence[StoredLetter],
    producer: AIOKafkaProducer,
    kafka_start: int,
) -> Rebuilt:
    published: Any = old.state
    restored = old.restored_keys
    fresh: Any = old.stage.make(old.partition, topic_id, published.generation + 1)
    rows: dict[bytes, list[Any] | None] = {}
    refused: list[Output] = []
    records = from_store = 0
    async for batch in reader:
        fresh.count(batch)
        records += len(batch)
        from_store += sum(1 for record in batch if record.offset < kafka_start)
        taken = fresh.take()
        rows.update(taken.rows)
        # What was published at the time is not published again; only refusals are told once more.
        refused += [output for output in taken.outputs if output[0] == DEAD_LETTERS]
    differing: list[Output] = fresh.differences(published)
    taken = fresh.take()
    rows.update(taken.rows)
    rows.update(dict.fromkeys((key for key in restored if key not in rows), None))
    if differing:
        kind = "tick" if old.stage.source == RAW_EVENTS else "report_complete"
        checkpoint = CheckpointOut(
            1, kind, old.stage.source, old.partition, taken.upto, fresh.generation, fresh.clock_ms
        )
        differing.append((TOTALS, None, encode_checkpoint(checkpoint)))
    outputs = [*refused, *_cleared(old, letters, refused), *differing]
    for topic in (DEAD_LETTERS, TOTALS):
        pairs: list[tuple[bytes | None, bytes | None]] = [(key, value) for name, key, value in outputs if name == topic]
        await send_batches(producer, {(topic, old.partition): pairs})
    header = rows.pop(HEADER, None)
    ordered = [*rows.items(), *([] if header is None else [(HEADER, header)])]
    await send_batches(producer, {(old.stage.changelog, old.partition): list(old.changelog.write(ordered))})
    return Rebuilt(old.stage.source, old.partition, records, from_store, len(differing), fresh.generation)


class _Place(msgspec.Struct):
    offset: int


def _cleared(old: Held, letters: Sequence[StoredLetter], refused: Sequence[Output]) -> list[Output]:
    """Letters that are no longer refused: said so, so that nobody puts them back and a recount includes them."""
    still = {msgspec.json.decode(value, type=_Place).offset for _, _, value in refused}
    return [
        (DEAD_LETTERS, letter.key, cleared_letter(old.stage.source, old.partition, letter.offset))
        for letter in letters
        if letter.offset not in still
    ]
