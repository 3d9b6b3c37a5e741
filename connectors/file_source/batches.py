"""Rows of a file as batches of events that leave together: as many as there are, or as many as are due."""

import asyncio
from dataclasses import dataclass, field

from connectors.clock import Clock
from connectors.file_source.ahead import RowsAhead
from connectors.file_source.mapping import RowMapping
from connectors.file_source.rows import Row, RowFile
from pipeline import events
from pipeline.codes import MisconfiguredCode, Stage
from pipeline.dead_letters import dead_letter
from pipeline.errors import BadRecord, Misconfigured

BATCH_ROWS = 1_000
BEAT_S = 0.2  # real seconds: the least time between two batches of a paced file that has nothing due


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """`speed`: seconds of the file in one pulse second, None as fast as it goes. `recorded`: Kafka timestamps are the
    events' own times (never going back) instead of now. `again`: from the first row, whatever was read before.
    """

    speed: float | None = None
    recorded: bool = False
    again: bool = False


@dataclass(slots=True)
class Batch:
    """`outgoing`: key, value, timestamp. `letters`: (code, dead letter) of refused rows. `last`: the file ends here."""

    rows: int = 0
    outgoing: list[tuple[bytes, bytes, int]] = field(default_factory=list)
    letters: list[tuple[str, bytes]] = field(default_factory=list)
    last: bool = False


@dataclass(frozen=True, slots=True)
class RowRecord:
    """A row as a dead letter wants it: its offset is the row's number, its value the row as it stands in the file."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class _Read:
    """One row: its events (key, value, instant in Unix ms), or why there are none."""

    row: Row
    events: list[tuple[bytes, bytes, int]]
    problem: BadRecord | None = None


class Batches:
    """`recorded_ms`: the latest instant written so far; timestamps of recorded time do not go back behind it."""

    def __init__(
        self,
        file: RowFile,
        rows: RowsAhead,
        mapping: RowMapping | None,
        clock: Clock,
        options: ReplayOptions,
        *,
        recorded_ms: int,
        stop: asyncio.Event,
    ) -> None:
        self._file, self._rows, self._mapping = file, rows, mapping
        self._clock, self._options, self._stop = clock, options, stop
        self.recorded_ms = recorded_ms
        self._checked = mapping is None or file.format != "csv"
        self._held: _Read | None = None  # read, and not due yet
        self._anchor: tuple[int, int] | None = None  # pulse time and event time at which pacing began

    async def next(self) -> Batch:
        """The next rows; an empty batch after `stop`. Raises Misconfigured when a column is not there."""
        batch = Batch()
        while batch.rows < BATCH_ROWS and not self._stop.is_set():
            read = self._held or await self._read()
            self._held = None
            if read is None:
                batch.last = not self._stop.is_set()  # after a stop there are no more rows, wherever the file ends
                return batch
            wait_s = self._due_in_s(read)
            if wait_s > 0:
                self._held = read
                if batch.rows:
                    return batch
                await self._wait(max(wait_s, BEAT_S))
                continue
            self._put(batch, read)
        return batch

    async def _read(self) -> _Read | None:
        row = await self._rows.next()
        if row is None:
            return None
        if row.problem is not None:
            return _Read(row, [], row.problem)
        if not self._checked and self._mapping is not None:
            self._mapping.check_columns(row.columns or {}, self._file.path)
            self._checked = True
        try:
            return _Read(row, [self._event(value) for value in self._values(row)])
        except BadRecord as problem:
            return _Read(row, [], problem)

    def _values(self, row: Row) -> list[bytes]:
        if self._mapping is not None:
            return self._mapping.events_of(row.columns or {}, row.number, self._file.name)
        if self._file.format == "ndjson":
            return [row.raw]
        raise Misconfigured(
            MisconfiguredCode.SETTING, f"{self._file.path.name} is CSV: name a mapping of its columns with --mapping."
        )

    def _event(self, value: bytes) -> tuple[bytes, bytes, int]:
        event = events.read(value, self._clock.now_ms())
        return events.key_of(event), value, events.at_ms(event)

    def _due_in_s(self, read: _Read) -> float:
        """Real seconds until the row's first event; zero or less when it is due, or the file is not paced."""
        if self._options.speed is None or not read.events:
            return 0.0
        at_ms = min(at for _, _, at in read.events)
        if self._anchor is None:
            self._anchor = self._clock.now_ms(), at_ms
        began_ms, first_ms = self._anchor
        due_ms = began_ms + (at_ms - first_ms) / self._options.speed
        return self._clock.real_seconds((due_ms - self._clock.now_ms()) / 1000)

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return

    def _put(self, batch: Batch, read: _Read) -> None:
        batch.rows += 1
        if read.problem is not None:
            batch.letters.append((read.problem.code, self._letter(read.row, read.problem)))
            return
        now_ms = self._clock.now_ms()
        for key, value, at_ms in read.events:
            self.recorded_ms = max(self.recorded_ms, at_ms)
            batch.outgoing.append((key, value, self.recorded_ms if self._options.recorded else now_ms))

    def _letter(self, row: Row, problem: BadRecord) -> bytes:
        record = RowRecord(row.number, self._clock.now_ms(), None, row.raw)
        return dead_letter(
            problem, stage=Stage.SOURCE, topic=f"file:{self._file.path.name}", partition=0, record=record
        )
