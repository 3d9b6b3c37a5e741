"""One partition on its way into ClickHouse: fetched records wait here, and leave as blocks, strictly in order."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connectors import telemetry
from connectors.clickhouse import gauges
from connectors.clickhouse.positions import Stored
from connectors.clickhouse.writer import BlockWriter
from pipeline.codes import DropReason, Stage
from pipeline.state import SourceRecord

RECORD_BYTES = 600  # what a record costs in memory beside its key and value
log = telemetry.log(__name__)


@dataclass(frozen=True, slots=True)
class Cut:
    """When a block is full: `rows`, `bytes`, or its oldest record has waited `wait_s`."""

    rows: int
    bytes: int
    wait_s: float


class Lane:
    def __init__(
        self,
        topic: str,
        topic_id: str,
        partition: int,
        *,
        last: Stored | None,
        writer: BlockWriter,
        cut: Cut,
        reach: Callable[[str], None] = lambda _place: None,
    ) -> None:
        self.topic, self.topic_id, self.partition = topic, topic_id, partition
        self._writer, self._cut, self._last, self._reach = writer, cut, last, reach
        self.next_offset = 0 if last is None else last.last_offset + 1  # of the next record to come
        self.bytes = 0  # of records that are not stored yet
        self.oldest_ms: int | None = None  # timestamp of the first of them
        self._records: deque[SourceRecord] = deque()
        self._since_s = 0.0
        self._arrived = asyncio.Event()
        self._closing = False

    def add(self, records: Sequence[SourceRecord]) -> None:
        """Records as fetched, in order. Those that were stored before are passed over."""
        fresh = [record for record in records if record.offset >= self.next_offset]
        if not fresh:
            return
        missed = fresh[0].offset - self.next_offset
        if missed:
            gauges.records_missed(self.topic, missed)
            log.error(
                "records were gone from the topic before they were stored",
                topic=self.topic, partition=self.partition, first_offset=self.next_offset, records=missed,
            )  # fmt: skip
        if not self._records:
            self._since_s = time.monotonic()
        if self.oldest_ms is None:
            self.oldest_ms = fresh[0].timestamp
        self.next_offset = fresh[-1].offset + 1
        self._records.extend(fresh)
        self.bytes += sum(map(_bytes, fresh))
        telemetry.received(Stage.SINK, len(fresh))
        self._arrived.set()

    @property
    def stored_to(self) -> int:
        """The first offset that is not stored."""
        return 0 if self._last is None else self._last.last_offset + 1

    @property
    def full(self) -> bool:
        """Two blocks wait: fetch no more until one of them is written."""
        return len(self._records) >= 2 * self._cut.rows or self.bytes >= 2 * self._cut.bytes

    def close(self) -> None:
        """`run` ends once everything that waits is stored."""
        self._closing = True
        self._arrived.set()

    async def run(self) -> None:
        while True:
            while not self._records and not self._closing:
                self._arrived.clear()
                await self._arrived.wait()
            if not self._records:
                return
            await self._until_due()
            await self._store(self._take())

    async def _until_due(self) -> None:
        while not (self._closing or len(self._records) >= self._cut.rows or self.bytes >= self._cut.bytes):
            left_s = self._since_s + self._cut.wait_s - time.monotonic()
            if left_s <= 0:
                return
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), left_s)
            except TimeoutError:
                return

    def _take(self) -> list[SourceRecord]:
        """A prefix of what waits: a gap in the offsets ends a block, so that ranges say what is stored."""
        taken = [self._records.popleft()]
        taken_bytes = _bytes(taken[0])
        while (
            self._records
            and len(taken) < self._cut.rows
            and taken_bytes < self._cut.bytes
            and self._records[0].offset == taken[-1].offset + 1
        ):
            taken.append(self._records.popleft())
            taken_bytes += _bytes(taken[-1])
        return taken

    async def _store(self, records: list[SourceRecord]) -> None:
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
        self.bytes -= sum(map(_bytes, records))
        self.oldest_ms = self._records[0].timestamp if self._records else None
        self._since_s = time.monotonic()
        telemetry.emitted(Stage.SINK, block.rows)
        if block.skipped:
            telemetry.dropped(Stage.SINK, DropReason.TICK, block.skipped)


def _bytes(record: SourceRecord) -> int:
    return RECORD_BYTES + len(record.key or b"") + len(record.value or b"")
