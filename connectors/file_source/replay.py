"""A recorded file into the event topic: streamed, acknowledged, and gone on with after a stop."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from aiokafka import AIOKafkaProducer

from connectors import telemetry
from connectors.clock import Clock
from connectors.file_source.ahead import RowsAhead
from connectors.file_source.batches import Batch, Batches, ReplayOptions
from connectors.file_source.cursor import FileCursor, FilePosition
from connectors.file_source.mapping import RowMapping
from connectors.file_source.rows import RowFile
from connectors.kafka_producer import start_producer
from connectors.record_stream import RecordStream
from connectors.retry import Stopped, retrying
from connectors.settings import Settings
from pipeline.codes import Stage
from schemas.topics import DEAD_LETTERS, RAW_EVENTS

T = TypeVar("T")
STOP_S = 1.0  # what an acknowledgement under way may take once a stop is asked for
log = telemetry.log(__name__)


@dataclass(slots=True)
class Replayed:
    """`rows`, `events` and `rejected` (rows) of this run; `skipped`: rows that an earlier run has written."""

    rows: int = 0
    events: int = 0
    rejected: int = 0
    skipped: int = 0
    finished: bool = False


@dataclass(frozen=True, slots=True)
class ReplayTopics:
    events: str = RAW_EVENTS
    dead_letters: str = DEAD_LETTERS


class FileReplay:
    """One file, `run()` once. `on_progress(bytes read, bytes of the file, result so far)` after every batch."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        path: Path,
        mapping: RowMapping | None = None,
        options: ReplayOptions | None = None,
        *,
        stop: asyncio.Event | None = None,
        topics: ReplayTopics | None = None,
        on_progress: Callable[[int, int, Replayed], None] = lambda *_: None,
    ) -> None:
        self._settings, self._clock, self._mapping = settings, clock, mapping
        self._options, self._topics, self._stop = options or ReplayOptions(), topics or ReplayTopics(), stop
        self._on_progress = on_progress
        self._file = RowFile(path) if mapping is None else RowFile(path, mapping.format, mapping.delimiter)
        self.result = Replayed()

    async def run(self) -> Replayed:
        """Returns at the file's end, or soon after `stop`. A file that was finished before changes nothing.

        Waits with back-off while the broker is away. Raises Misconfigured: file, mapping, topics.
        """
        stop = self._stop or asyncio.Event()
        mapping_digest = "unmapped" if self._mapping is None else self._mapping.digest()
        digest = await asyncio.to_thread(self._file.digest)
        cursor = FileCursor(self._file.name, digest, mapping_digest)
        try:
            async with AsyncExitStack() as resources:
                producer = await _unless_stopped(lambda: start_producer(self._settings), stop)
                resources.push_async_callback(_end, producer)
                position = await _unless_stopped(lambda: cursor.load(self._settings, producer), stop)
                if self._options.again:
                    position = FilePosition()
                self.result.skipped, self.result.finished = position.rows, position.finished
                if not position.finished:
                    await self._write(cursor, position, resources, stop)
        except Stopped:
            log.info("stopped while the broker is away", file=self._file.path.name)
        return self.result

    async def _write(
        self, cursor: FileCursor, position: FilePosition, resources: AsyncExitStack, stop: asyncio.Event
    ) -> None:
        outgoing = await self._opened(self._topics.events, resources)
        letters = await self._opened(self._topics.dead_letters, resources)
        rows = resources.enter_context(closing(RowsAhead(self._file, stop)))
        passed = await rows.skip(position.rows)
        batches = Batches(
            self._file, rows, self._mapping, self._clock, self._options, recorded_ms=position.recorded_ms, stop=stop
        )
        name = f"file:{self._file.name}".encode("utf-8", "replace")
        while not self.result.finished and not stop.is_set():
            batch = await batches.next()
            if batch.outgoing:
                await _unless_stopped(partial(outgoing.send, batch.outgoing), stop)
            if batch.letters:
                records = [(name, letter, self._clock.now_ms()) for _, letter in batch.letters]
                await _unless_stopped(partial(letters.send, records), stop)
            if batch.last:
                at_ms = batches.recorded_ms if self._options.recorded else self._clock.now_ms()
                await _unless_stopped(partial(outgoing.tick, at_ms), stop)
            passed += batch.rows
            self._count(batch)
            await _unless_stopped(partial(cursor.save, FilePosition(passed, batches.recorded_ms, batch.last)), stop)
            self._on_progress(self._file.position_bytes, self._file.size_bytes, self.result)

    async def _opened(self, topic: str, resources: AsyncExitStack) -> RecordStream:
        stream = RecordStream(
            lambda: start_producer(self._settings),
            partitions=self._settings.partitions,
            topic=topic,
            on_state=lambda failure: log.warning("broker away", detail=failure) if failure else None,
        )
        stream.open()
        resources.push_async_callback(stream.close)
        return stream

    def _count(self, batch: Batch) -> None:
        """Rows, in the metrics as well: a row that yields no event is one that had its effect."""
        self.result.rows += batch.rows
        self.result.events += len(batch.outgoing)
        self.result.rejected += len(batch.letters)
        self.result.finished = batch.last
        telemetry.received(Stage.SOURCE, batch.rows)
        telemetry.emitted(Stage.SOURCE, batch.rows - len(batch.letters))
        for code, _ in batch.letters:
            telemetry.dead_lettered(Stage.SOURCE, code)


async def _end(producer: AIOKafkaProducer) -> None:
    ending = asyncio.ensure_future(producer.stop())
    await asyncio.wait({ending}, timeout=STOP_S)
    ending.cancel()
    await asyncio.gather(ending, return_exceptions=True)


async def _unless_stopped(call: Callable[[], Awaitable[T]], stop: asyncio.Event) -> T:
    """Tries until it succeeds; once `stop` is set, a moment longer, then raises Stopped."""
    trying = asyncio.ensure_future(retrying(call, stop=stop))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({trying, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({trying}, timeout=STOP_S)
        if not trying.done():
            raise Stopped
        return trying.result()
    finally:
        for task in (trying, stopping):
            task.cancel()
        await asyncio.gather(trying, stopping, return_exceptions=True)
