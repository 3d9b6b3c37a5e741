"""One partition on its way into ClickHouse: fetched records wait here, and leave as blocks, strictly in order."""

import asyncio
import time
from collections.abc import Callable, Sequence

from connectors import telemetry
from connectors.clickhouse import gauges
from connectors.clickhouse.held import Cut, Held
from connectors.clickhouse.positions import Stored
from connectors.clickhouse.writer import BlockWriter
from pipeline.codes import DropReason, Stage
from pipeline.state import SourceRecord, records_from

log = telemetry.log(__name__)


def _nothing() -> None:
    """Nobody wants to know."""


class Lane:
    """`freed` is called whenever a block is stored and its memory given back."""

    def __init__(
        self,
        topic: str,
        topic_id: str,
        partition: int,
        *,
        last: Stored | None,
        writer: BlockWriter,
        cut: Cut,
        freed: Callable[[], None] = _nothing,
        reach: Callable[[str], None] = lambda _place: None,
    ) -> None:
        self.topic, self.topic_id, self.partition = topic, topic_id, partition
        self._writer, self._cut, self._last, self._freed, self._reach = writer, cut, last, freed, reach
        self.next_offset = 0 if last is None else last.last_offset + 1  # of the next record to come
        self._waiting = Held()
        self._leaving_bytes = 0  # of the block that is being written
        self._leaving_ms: int | None = None
        self._since_s = 0.0
        self._arrived = asyncio.Event()
        self._closing = False

    def add(self, records: Sequence[SourceRecord]) -> None:
        """Records as fetched, in order. Those that were stored before are passed over."""
        records = records_from(records, self.next_offset)
        if not records:
            return
        missed = records[0].offset - self.next_offset
        if missed:
            gauges.records_missed(self.topic, missed)
            log.error(
                "records were gone from the topic before they were stored",
                topic=self.topic, partition=self.partition, first_offset=self.next_offset, records=missed,
            )  # fmt: skip
        if not self._waiting.rows:
            self._since_s = time.monotonic()
        self.next_offset = records[-1].offset + 1
        self._waiting.add(records)
        telemetry.received(Stage.SINK, len(records))
        self._arrived.set()

    @property
    def bytes(self) -> int:
        """Of records that are not stored yet, those of the block that is being written included."""
        return self._waiting.bytes + self._leaving_bytes

    @property
    def oldest_ms(self) -> int | None:
        """The timestamp of the first record that is not stored."""
        return self._waiting.oldest_ms if self._leaving_ms is None else self._leaving_ms

    @property
    def stored_to(self) -> int:
        """The first offset that is not stored."""
        return 0 if self._last is None else self._last.last_offset + 1

    @property
    def full(self) -> bool:
        """Two blocks wait: fetch no more until one of them is written."""
        return self._waiting.rows >= 2 * self._cut.rows or self.bytes >= 2 * self._cut.bytes

    def close(self) -> None:
        """`run` ends once everything that waits is stored."""
        self._closing = True
        self._arrived.set()

    async def run(self) -> None:
        while True:
            while not self._waiting.rows and not self._closing:
                self._arrived.clear()
                await self._arrived.wait()
            if not self._waiting.rows:
                return
            await self._until_due()
            self._leaving_ms = self._waiting.oldest_ms
            records, self._leaving_bytes = self._waiting.take(self._cut)
            await self._store(records)
            del records
            self._leaving_bytes, self._leaving_ms = 0, None
            self._since_s = time.monotonic()
            self._freed()

    async def _until_due(self) -> None:
        due_s = self._cut.due_s(self._since_s)  # the same instant for other lanes: their blocks go together
        while not (self._closing or self._waiting.rows >= self._cut.rows or self._waiting.bytes >= self._cut.bytes):
            left_s = due_s - time.monotonic()
            if left_s <= 0:
                return
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), left_s)
            except TimeoutError:
                return

    async def _store(self, records: Sequence[SourceRecord]) -> None:
        block = await self._writer.write(self.topic, self.topic_id, self.partition, records)
        self._reach("block_written")
        empty = block.rows + len(block.refused) == 0
        row = block.ledger
        # Nothing but ticks, again: the range before it grows, so that an idle night is one row and not thousands.
        if empty and self._last is not None and self._last.empty and self._last.last_offset + 1 == block.first_offset:
            row["first_offset"] = self._last.first_offset
            row["skipped"] += self._last.skipped
        await self._writer.remember(row)
        self._reach("range_written")
        self._last = Stored(row["first_offset"], row["last_offset"], row["skipped"], empty=empty)
        telemetry.emitted(Stage.SINK, block.rows)
        if block.ticks:
            telemetry.dropped(Stage.SINK, DropReason.TICK, block.ticks)
        if block.superseded:
            telemetry.dropped(Stage.SINK, DropReason.SUPERSEDED, block.superseded)
