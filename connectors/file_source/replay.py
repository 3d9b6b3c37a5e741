"""A recorded file into the event topic: streamed, paced by event time when asked, and gone on with after a stop."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from connectors import telemetry
from connectors.clock import Clock
from connectors.file_source.cursor import FileCursor, cursor_key, encode_cursor, load_cursor
from connectors.file_source.mapping import RowMapping
from connectors.file_source.rows import Row, RowFile
from connectors.kafka import start_producer
from connectors.record_stream import RecordStream
from connectors.retry import Stopped, retrying
from connectors.settings import Settings
from pipeline import events
from pipeline.codes import Stage
from pipeline.dead_letters import dead_letter
from pipeline.errors import BadRecord, Transient
from schemas.topics import CURSORS, DEAD_LETTERS, RAW_EVENTS

BATCH_ROWS = 1_000
PACED_BATCH_MS = 200  # real milliseconds of rows that leave together when the file is paced
log = telemetry.log(__name__)


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """`speed`: seconds of the file in one pulse second, None as fast as it goes. `recorded`: Kafka timestamps are the
    events' own times (never going back) instead of now. `again`: from the first row, whatever was read before.
    """

    speed: float | None = None
    recorded: bool = False
    again: bool = False


@dataclass(slots=True)
class Replayed:
    """`rows`, `events` and `rejected` (rows) of this run; `skipped`: rows an earlier run has written."""

    rows: int = 0
    events: int = 0
    rejected: int = 0
    skipped: int = 0
    finished: bool = False


@dataclass(frozen=True, slots=True)
class ReplayTopics:
    events: str = RAW_EVENTS
    dead_letters: str = DEAD_LETTERS
    cursors: str = CURSORS


@dataclass(frozen=True, slots=True)
class _Refused:
    """A row that could not go on, as a dead letter wants it: its offset is the row's number."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(slots=True)
class _Batch:
    rows: int = 0
    outgoing: list[tuple[bytes, bytes, int]] = field(default_factory=list)
    letters: list[bytes] = field(default_factory=list)


class FileReplay:
    """One file. `run()` once. `on_progress(bytes read, bytes of the file, result so far)` after every batch."""

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
        self._settings, self._clock, self._path = settings, clock, path
        self._mapping, self._options = mapping, options or ReplayOptions()
        self._topics, self._stop = topics or ReplayTopics(), stop or asyncio.Event()
        self._on_progress = on_progress
        delimiter = "," if mapping is None else mapping.delimiter
        self._file = RowFile(path, None if mapping is None else mapping.format, delimiter)
        self._key = b""
        self._cursor = FileCursor()
        self._anchor: tuple[int, int] | None = None  # pulse time and event time at which pacing began
        self.result = Replayed()

    async def run(self) -> Replayed:
        """Returns at the file's end or soon after `stop`. A finished file changes nothing.

        Waits with back-off while the broker is away. Raises Misconfigured: file, mapping, topics.
        """
        mapping_digest = "as it is" if self._mapping is None else self._mapping.digest()
        self._key = cursor_key(self._file.name, self._file.digest(), mapping_digest)
        try:
            self._cursor = await retrying(self._load_cursor, stop=self._stop)
            if self._options.again:
                self._cursor = FileCursor()
            self.result.skipped = self._cursor.rows
            if self._cursor.finished:
                self.result.finished = True
            else:
                await self._write()
        except Stopped:
            log.info("stopped before the end", file=self._path.name, rows=self._cursor.rows)
        return self.result

    async def _load_cursor(self) -> FileCursor:
        return await load_cursor(self._settings, self._key, self._topics.cursors)

    async def _write(self) -> None:
        async with AsyncExitStack() as open_streams:
            outgoing, letters, cursors = [
                await self._opened(topic, open_streams)
                for topic in (self._topics.events, self._topics.dead_letters, self._topics.cursors)
            ]
            rows = self._file.rows()
            open_streams.callback(rows.close)  # type: ignore[attr-defined]
            passed = sum(1 for _ in islice(rows, self._cursor.rows))
            finished = False
            while not finished and not self._stop.is_set():
                batch, finished = await self._next_batch(rows)
                name = f"file:{self._path.name}".encode()
                await self._sent(outgoing, batch.outgoing)
                await self._sent(letters, [(name, letter, self._clock.now_ms()) for letter in batch.letters])
                if finished:
                    await self._tick(outgoing)
                passed += batch.rows
                self._remember(batch, finished=finished)
                await self._sent(cursors, [(self._key, encode_cursor(self._cursor), self._clock.now_ms())])
                self._on_progress(self._file.position_bytes, self._file.size_bytes, self.result)

    async def _opened(self, topic: str, open_streams: AsyncExitStack) -> RecordStream:
        stream = RecordStream(
            lambda: start_producer(self._settings),
            partitions=self._settings.partitions,
            topic=topic,
            on_state=lambda failure: log.warning("broker away", detail=failure) if failure else None,
        )
        stream.open()
        open_streams.push_async_callback(stream.close)
        return stream

    async def _sent(self, stream: RecordStream, records: list[tuple[bytes, bytes, int]]) -> None:
        if records:
            await retrying(lambda: stream.send(records), stop=self._stop)

    async def _tick(self, stream: RecordStream) -> None:
        """Time has come to the end of the file, or to now."""
        at_ms = self._cursor.recorded_ms if self._options.recorded else self._clock.now_ms()
        await retrying(lambda: stream.tick(at_ms), stop=self._stop)

    def _remember(self, batch: _Batch, *, finished: bool) -> None:
        taken, refused = len(batch.outgoing), len(batch.letters)
        self._cursor = replace(
            self._cursor,
            rows=self._cursor.rows + batch.rows,
            events=self._cursor.events + taken,
            rejected=self._cursor.rejected + refused,
            finished=finished,
        )
        self.result.rows += batch.rows
        self.result.events += taken
        self.result.rejected += refused
        self.result.finished = finished

    # -- rows to events --------------------------------------------------------------------------------------

    async def _next_batch(self, rows: Iterator[Row]) -> tuple[_Batch, bool]:
        """Rows that leave together, and whether they are the last. Paced: those that are due."""
        raise NotImplementedError


_ = (BadRecord, Transient, Stage, dead_letter, events, _Refused, PACED_BATCH_MS, BATCH_ROWS)
