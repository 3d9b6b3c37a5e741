"""One read of one report: rows to the raw topic, acks, vanished rows, completion, cursor.

At least once, and harmless twice: the cursor moves only behind acknowledged records, and the same row read again is the
same revision. The names of a day's rows are saved before the rows go out: a row that was ever sent is missed when it
vanishes, whatever is killed in between.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
from aiokafka import AIOKafkaProducer

from connectors import telemetry
from connectors.clock import Clock
from connectors.cursors import Cursors
from connectors.lookback import Lookback, ReadTimes
from connectors.outgoing import Outgoing, producing
from connectors.source import Account, Row, Source
from pipeline.codes import Stage
from pipeline.zones import zone_of
from schemas.raw import RawKind, Report

log = telemetry.log(__name__)


@dataclass(slots=True)
class Read:
    """One run over one (account, report); begun anew when it is tried again. Instants are Unix ms."""

    account: Account
    report: Report
    since: date
    until: date
    fetched_at_ms: int
    run_id: str
    out: Outgoing
    seen: dict[str, set[str]] = field(default_factory=dict)  # date -> names of its rows, in this read
    rows: int = 0
    vanished: int = 0
    unreadable: int = 0  # rows that cannot be told by name: any of them may be one that seems to be missing

    @property
    def days(self) -> list[str]:
        return [str(self.since + timedelta(days=number)) for number in range((self.until - self.since).days + 1)]


class ReportReader:
    """Reads reports of one source. Raises what the source raises, ProducerLost, BadRecord for an account's bad zone."""

    def __init__(
        self,
        source: Source,
        clock: Clock,
        producer: AIOKafkaProducer,
        cursors: Cursors,
        lookback: Lookback,
        *,
        partitions: int,
    ) -> None:
        self._source, self._clock, self._producer = source, clock, producer
        self._cursors, self._lookback, self._partitions = cursors, lookback, partitions

    def last_read_ms(self, account_id: str, report: Report) -> int | None:
        """When the last complete read began; None: never."""
        last = self._times(account_id, report)
        return None if last is None else last.read_ms

    def known_accounts(self) -> set[str]:
        """Those that have been read before."""
        return {name.split("|")[1] for name in self._cursors.names(f"{self._source.name}|")}

    async def read(self, account: Account, report: Report) -> Read:
        """Returns when everything is acknowledged and the cursor is saved; nothing is saved of a read that fails."""
        last = self._times(account.account_id, report)
        read = self._begin(account, report, last)
        async for page in self._source.pages(account, report, read.since, read.until):
            await self._remember(read, page)
            for row in page:
                await self._send(read, RawKind.ROW, row)
            read.rows += len(page)
        await self._send_vanished(read)
        await read.out.settled()
        telemetry.received(Stage.SOURCE, read.rows)
        telemetry.emitted(Stage.SOURCE, read.rows)
        await self._send_complete(read)
        await self._save(read, last)
        return read

    def _begin(self, account: Account, report: Report, last: ReadTimes | None) -> Read:
        zone, now_ms = zone_of(account.zone), self._clock.now_ms()
        today = datetime.fromtimestamp(now_ms / 1000, zone).date()
        since = today
        if report is not Report.ENTITY:
            last_day = None if last is None else datetime.fromtimestamp(last.read_ms / 1000, zone).date()
            since = self._lookback.since(today, now_ms, last, last_day)
        return Read(account, report, since, today, now_ms, uuid4().hex[:12], Outgoing(self._producer))

    async def _remember(self, read: Read, page: Iterable[Row]) -> None:
        """Saves what this page has of new rows, in front of them."""
        found: dict[str, set[str]] = {}
        for row in page:
            if row.name:
                found.setdefault(row.date, set()).add(row.name)
            elif read.report is not Report.ENTITY:
                read.unreadable += 1
        for day, names in found.items():
            read.seen.setdefault(day, set()).update(names)
            known = self._names(read, day)
            if not names <= known:
                await self._save_names(read, day, known | names)

    async def _send(self, read: Read, kind: RawKind, row: Row) -> None:
        body = self._envelope(read, kind, row=msgspec.Raw(row.body))
        await read.out.send(self._source.topic, body, key=row.campaign_key.encode(), timestamp_ms=read.fetched_at_ms)

    async def _send_vanished(self, read: Read) -> None:
        """What an earlier run returned for these days and this one did not, stands at zero from now on.

        Not while a row of this read cannot be told by name: missing is not zero, and a later read will show it.
        """
        if read.report is Report.ENTITY:
            return
        if read.unreadable:
            log.warning("rows without a name, nothing counted as vanished", **_place(read), rows=read.unreadable)
            return
        for day in read.days:
            for name in sorted(self._names(read, day) - read.seen.get(day, set())):
                row = self._source.vanished(read.account, read.report, day, name)
                await self._send(read, RawKind.VANISHED, row)
                read.vanished += 1

    async def _send_complete(self, read: Read) -> None:
        """To every partition, behind all rows: they are acknowledged."""
        body = self._envelope(
            read,
            RawKind.REPORT_COMPLETE,
            since=str(read.since),
            until=str(read.until),
            rows=read.rows,
            zone=read.account.zone,
        )
        for partition in range(self._partitions):
            await read.out.send(self._source.topic, body, partition=partition, timestamp_ms=read.fetched_at_ms)
        await read.out.settled()

    def _envelope(self, read: Read, kind: RawKind, **more: Any) -> bytes:
        return msgspec.json.encode(
            {
                "v": 1,
                "source": self._source.name,
                "kind": str(kind),
                "report": str(read.report),
                "api_version": self._source.api_version,
                "account_id": read.account.account_id,
                "fetched_at_ms": read.fetched_at_ms,
                "run_id": read.run_id,
                **more,
            }
        )

    # -- cursors ---------------------------------------------------------------------------------------------

    def _cursor(self, account_id: str, report: Report, day: str = "") -> str:
        name = f"{self._source.name}|{account_id}|{report}"
        return f"{name}|{day}" if day else name

    def _times(self, account_id: str, report: Report) -> ReadTimes | None:
        saved = self._cursors.get(self._cursor(account_id, report))
        return None if saved is None else ReadTimes(**saved)

    def _names(self, read: Read, day: str) -> set[str]:
        return set(self._cursors.get(self._cursor(read.account.account_id, read.report, day)) or ())

    async def _save_names(self, read: Read, day: str, names: set[str]) -> None:
        with producing():
            await self._cursors.save(
                self._cursor(read.account.account_id, read.report, day), sorted(names) if names else None
            )

    async def _save(self, read: Read, last: ReadTimes | None) -> None:
        if read.report is not Report.ENTITY:
            for day in read.days:
                names = read.seen.get(day, set())
                if read.unreadable:
                    names = names | self._names(read, day)
                if self._names(read, day) != names:
                    await self._save_names(read, day, names)
            await self._forget_old_names(read)
        times = self._lookback.times(read.since, read.until, read.fetched_at_ms, last)
        with producing():
            await self._cursors.save(self._cursor(read.account.account_id, read.report), asdict(times))

    async def _forget_old_names(self, read: Read) -> None:
        """Of days that no run reads again."""
        oldest = str(min(read.since, read.until - timedelta(days=self._lookback.weekly + 2)))
        for name in self._cursors.names(self._cursor(read.account.account_id, read.report) + "|"):
            day = name.rpartition("|")[2]
            if day < oldest:
                await self._save_names(read, day, set())


def _place(read: Read) -> dict[str, str]:
    return {"account": read.account.account_id, "report": str(read.report)}
