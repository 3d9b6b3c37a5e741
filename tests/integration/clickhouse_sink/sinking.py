"""The sink in this process, records for it, and what it has stored."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson

from connectors.clickhouse.positions import stored_positions
from connectors.clickhouse.sink import run_sink
from connectors.clock import Clock
from connectors.kafka_admin import admin
from connectors.kafka_producer import start_producer
from connectors.settings import Settings
from pipeline.superseded import MINUTE_MS
from schemas.topics import TOTALS
from tests.integration.clickhouse_rows import NOON_MS, total


def delete_topics(settings: Settings, *names: str) -> None:
    client = admin(settings)
    present = set(client.list_topics(timeout=10).topics)
    wanted = {name for name in (names or present) if not name.startswith("__")}
    for answer in client.delete_topics(sorted(wanted & present)).values() if wanted & present else ():
        answer.result()
    until = time.monotonic() + 10
    while wanted & set(client.list_topics(timeout=10).topics):
        assert time.monotonic() < until, "topics are still there"
        time.sleep(0.05)


@asynccontextmanager
async def sinking(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    task = asyncio.create_task(run_sink(settings, Clock.real(), stop=stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait_for(task, 5)


async def send(settings: Settings, records: list[tuple[str, int, bytes | None, bytes | None]]) -> None:
    """(topic, partition, key, value), all acknowledged."""
    producer = await start_producer(settings)
    try:
        # Batches by hand: `send` refuses a tick, which has neither key nor value.
        batches: dict[tuple[str, int], Any] = {}
        sent = []
        for topic, partition, key, value in records:
            place = (topic, partition)
            batch = batches.get(place)
            if batch is None or batch.append(key=key, value=value, timestamp=NOON_MS) is None:
                if batch is not None:
                    sent.append(await producer.send_batch(batch, topic, partition=partition))
                batches[place] = producer.create_batch()
                batches[place].append(key=key, value=value, timestamp=NOON_MS)
        for (topic, partition), batch in batches.items():
            sent.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def until(ready: Callable[[], Awaitable[bool]], limit_s: float = 20) -> None:
    end = time.monotonic() + limit_s
    while not await ready():
        assert time.monotonic() < end, "did not come in time"
        await asyncio.sleep(0.05)


def stored(settings: Settings, ends: dict[tuple[str, int], int]) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        positions = await asyncio.to_thread(stored_positions, settings)
        return all(positions.get(place, 0) >= end for place, end in ends.items())

    return ready


def event(number: int) -> bytes:
    return orjson.dumps({"event_id": f"e{number}", "campaign_id": "7", "at": NOON_MS, "type": "click"})


def totals_of(
    count: int, campaigns: int, step_ms: int = MINUTE_MS
) -> list[tuple[str, int, bytes | None, bytes | None]]:
    """`count` totals over `campaigns` campaigns; clicks and version grow with each, known `step_ms` after another."""
    messages = [
        total(
            campaign_id=str(n % campaigns),
            clicks=n,
            version=4 * (n + 1),
            source_offset=n,
            as_of_ms=NOON_MS + n * step_ms,
        )
        for n in range(count)
    ]
    return [(TOTALS, 0, b"k", orjson.dumps(message)) for message in messages]
