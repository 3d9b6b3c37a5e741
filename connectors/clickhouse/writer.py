"""Writes blocks: rows into their tables, dead letters, then the range into `sink_blocks`; each until it succeeds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any, TypeVar

from clickhouse_connect.driver.asyncclient import AsyncClient

from connectors import telemetry
from connectors.clickhouse import gauges
from connectors.clickhouse.blocks import Body, arrow_table, body_of, prepare, whole
from connectors.clickhouse.client import sorted_errors
from connectors.clickhouse.gather import Gathering
from connectors.clickhouse.held import bytes_of
from connectors.clock import Clock
from connectors.retry import retrying
from connectors.settings import Settings
from pipeline.codes import Stage
from pipeline.errors import BadRecord, Transient
from pipeline.rows import Block
from pipeline.state import SourceRecord
from schemas.table import Table
from schemas.tables import SINK_BLOCKS, TABLES_OF
from schemas.topics import RAW_EVENTS, RAW_GOOGLE_ADS

CHECK = "clickhouse"
WRITERS = 8  # large blocks prepared and inserted at the same time; bounds memory and the load on the server
SMALL_BYTES = 4 << 20  # blocks below need not wait for others, and so share their inserts; what is held bounds them
LEDGER_WAIT_S = 0.1  # lanes that end one soon after the other share an insert into the ledger
ROUND = 6  # attempts until the back-off starts over, so that a return is noticed within seconds
# Equal keys of an insert are rare and merges replace them: looking for them in every insert costs a quarter of it.
AS_IT_COMES = {"optimize_on_insert": 0}
SLICED_BYTES, SLICE_BYTES = 256 << 10, 64 << 10
WAITING = "The records wait in Kafka; nothing is lost while its retention lasts."
log = telemetry.log(__name__)

T = TypeVar("T")
Refuse = Callable[[Block, SourceRecord, BadRecord], Awaitable[None]]


def sent(data: memoryview) -> bytes | AsyncIterator[memoryview]:
    """Large bodies in slices: as bytes they are copied four times on their way out.

    Small ones as bytes, which the client may send again when the server had closed an idle connection.
    """
    return bytes(data) if len(data) < SLICED_BYTES else _slices(data)


async def _slices(data: memoryview) -> AsyncIterator[memoryview]:
    for at in range(0, len(data), SLICE_BYTES):
        yield data[at : at + SLICE_BYTES]


class BlockWriter:
    """`refuse` writes a dead letter and returns when it is acknowledged. `give_up` ends all waiting with Stopped."""

    def __init__(
        self, client: AsyncClient, settings: Settings, clock: Clock, refuse: Refuse, give_up: asyncio.Event
    ) -> None:
        self._clock = clock
        self._client, self._settings, self._refuse, self._give_up = client, settings, refuse, give_up
        self._slots = asyncio.Semaphore(WRITERS)
        # One thread: blocks are built by one Python anyway, and only one at a time takes the memory for it.
        self._bench = ThreadPoolExecutor(1, "blocks")
        self._gathering = Gathering(self._send)
        self._waiting: list[tuple[dict[str, Any], asyncio.Future[None]]] = []
        self._ledger_wanted = asyncio.Event()
        self._away = False

    async def write(self, topic: str, topic_id: str, partition: int, records: Sequence[SourceRecord]) -> Block:
        """Returns when every row is acknowledged; the range is not in the ledger yet. Raises Misconfigured, Stopped."""
        async with self._slots if bytes_of(records) > SMALL_BYTES else nullcontext():
            with self._gathering.preparing(TABLES_OF[topic]):
                block, arrows = await self._on_bench(prepare, topic, topic_id, partition, records)
                waiting = [self._store(table, arrow, block, records[0].timestamp) for table, arrow in arrows]
                del arrows
            await asyncio.gather(*waiting)
            for record, error in block.refused:
                await self._refuse(block, record, error)
                telemetry.dead_lettered(Stage.SINK, error.code)
        gauges.block_written(topic)
        return block

    async def remember(self, ledger_row: dict[str, Any]) -> None:
        """Returns when the range is in `sink_blocks`. Ranges of many partitions go in one insert."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((ledger_row, done))
        self._ledger_wanted.set()
        await done

    async def keep_ledger(self) -> None:
        """Runs beside the lanes, until cancelled."""
        while True:
            await self._ledger_wanted.wait()
            await asyncio.sleep(LEDGER_WAIT_S)
            self._ledger_wanted.clear()
            waiting, self._waiting = self._waiting, []
            columns = {column.name: [row[column.source] for row, _ in waiting] for column in SINK_BLOCKS.inserted}
            names = sorted(f"{row['topic']}-{row['partition']}:{row['last_offset']}" for row, _ in waiting)
            ledger = body_of(SINK_BLOCKS, arrow_table(SINK_BLOCKS, columns))
            await self._insert(ledger, "sink_blocks:" + ",".join(names))
            for _, done in waiting:
                if not done.done():
                    done.set_result(None)

    def _store(self, table: Table, arrow: Any, block: Block, received_ms: int) -> Awaitable[None]:
        rows, stored = arrow.num_rows, self._gathering.add(table, arrow, block.token(table.name))

        async def told() -> None:
            await stored
            gauges.rows_written(table.name, rows)
            gauges.freshness(table.name, age_s(self._clock, block.topic, received_ms))

        return told()

    async def _send(self, table: Table, arrows: list[Any], token: str) -> None:
        body = await self._on_bench(whole, table, arrows, self._client.write_compression)
        arrows.clear()
        await self._insert(body, token)

    async def _on_bench(self, work: Callable[..., T], *asked: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._bench, work, *asked)

    async def _insert(self, body: Body, token: str) -> None:
        async def once() -> None:
            with sorted_errors(self._settings):
                options = {"insert_deduplication_token": token, **AS_IT_COMES}
                await self._client.raw_insert(body.table.name, body.columns, sent(body.data), options, "Arrow")

        while True:
            try:
                await retrying(once, stop=self._give_up, attempts=ROUND, on_retry=self._say_away)
            except Transient:
                continue
            gauges.inserted()
            self._say_back()
            return

    def close(self) -> None:
        """Ends what is being sent, and the thread that builds blocks."""
        self._gathering.close()
        self._bench.shutdown(wait=False, cancel_futures=True)

    def _say_away(self, failure: Transient, _wait_s: float) -> None:
        telemetry.retried(Stage.SINK, failure.code)
        telemetry.health.set(CHECK, ok=False, detail=f"{failure} {WAITING}")
        if not self._away:
            self._away = True
            log.warning("clickhouse is away or busy; waiting", code=failure.code, detail=failure.detail)

    def _say_back(self) -> None:
        if self._away:
            self._away = False
            log.info("clickhouse is back")
            telemetry.health.set(CHECK, ok=True)


def age_s(clock: Clock, topic: str, ms: int) -> float:
    """Real seconds since the instant a record carries: pulse time on raw topics, real time on what we derive."""
    if topic in {RAW_EVENTS, RAW_GOOGLE_ADS}:
        return max(0.0, clock.real_seconds((clock.now_ms() - ms) / 1000))
    return max(0.0, (Clock.real().now_ms() - ms) / 1000)
