"""The loop of every reporting source: rows to the raw topic, acks, vanished rows, completion, cursor, feed health.

At least once, and harmless twice: the cursor moves only behind acknowledged records, and the same row read again is the
same revision. One account's failure neither stops nor rewinds the others.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec
import orjson
from aiokafka import AIOKafkaProducer

from connectors import telemetry
from connectors.clock import Clock
from connectors.cursors import Cursors
from connectors.lookback import Lookback
from connectors.retry import Stopped, retrying
from connectors.settings import Settings
from connectors.source import Account, Row, Source
from pipeline.codes import Stage
from pipeline.errors import Misconfigured, PipelineError, Transient
from schemas.feed import FeedHealth, FeedState
from schemas.raw import RawKind, Report
from schemas.topics import FEEDS

ACCOUNTS_AT_ONCE = 4
ATTEMPTS = 6  # of one read, before the account waits for the next run
log = telemetry.log(__name__)


@dataclass(slots=True)
class _Read:
    """One run over one (account, report)."""

    account: Account
    report: Report
    since: date
    until: date
    fetched_at_ms: int
    run_id: str
    names: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # date -> names of its rows
    acks: list[Any] = field(default_factory=list)
    rows: int = 0
    vanished: int = 0


class SourceRunner:
    """Runs one source over all its accounts. `stop` ends waits; a read under way is given up without its cursor."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        source: Source,
        producer: AIOKafkaProducer,
        cursors: Cursors,
        lookback: Lookback,
        stop: asyncio.Event,
    ) -> None:
        self._settings, self._clock, self._source = settings, clock, source
        self._producer, self._cursors, self._lookback = producer, cursors, lookback
        self._stop = stop
        self._stopped: dict[str, str] = {}  # account -> why a person must act
        self._turns = asyncio.Semaphore(ACCOUNTS_AT_ONCE)

    async def run(self, interval_s: float) -> None:
        """Every `interval_s` pulse seconds until told to stop."""
        while not self._stop.is_set():
            started_ms = self._clock.now_ms()
            await self.run_once()
            left_s = interval_s - (self._clock.now_ms() - started_ms) / 1000
            try:
                await asyncio.wait_for(self._stop.wait(), max(0.05, self._clock.real_seconds(left_s)))
            except TimeoutError:
                continue

    async def run_once(self) -> None:
        """One run over every account that is not stopped."""
        try:
            accounts = await self._patiently(self._source.accounts)
        except (Stopped, PipelineError) as error:
            await self._report_failure("", error)
            return
        await asyncio.gather(*(self._run_account(account) for account in accounts))
        telemetry.health.set("source", ok=True)

    async def _run_account(self, account: Account) -> None:
        async with self._turns:
            if account.account_id in self._stopped or self._stop.is_set():
                return
            for report in self._source.reports:
                try:
                    await self._patiently(lambda report=report: self._read(account, report))
                except (Stopped, PipelineError) as error:
                    await self._report_failure(account.account_id, error, report)
                    return

    async def _patiently(self, call: Any) -> Any:
        def told(failure: Transient, wait_s: float) -> None:
            telemetry.retried(Stage.SOURCE, failure.code)
            log.info("asking again", source=self._source.name, code=failure.code, wait_s=round(wait_s, 2))

        return await retrying(call, stop=self._stop, attempts=ATTEMPTS, on_retry=told)

    # -- one report ------------------------------------------------------------------------------------------

    async def _read(self, account: Account, report: Report) -> None:
        cursor = self._cursors.get(self._name(account, report)) or {}
        now_ms = self._clock.now_ms()
        today = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(account.zone)).date()
        daily_ms, monthly_ms = cursor.get("daily_ms"), cursor.get("monthly_ms")
        since = self._lookback.since(report, today, now_ms, daily_ms=daily_ms, monthly_ms=monthly_ms)
        if report is Report.ENTITY:
            since = today
        read = _Read(account, report, since, today, now_ms, uuid4().hex[:12])
        async for page in self._source.pages(account, report, since, today):
            for row in page:
                await self._produce(read, RawKind.ROW, row)
        if report is not Report.ENTITY:
            await self._produce_vanished(read)
        await self._settle(read)
        await self._produce_complete(read)
        await self._save(read, cursor)
        await self._publish_health(account.account_id, report, FeedState.OK, read=read)

    async def _produce(self, read: _Read, kind: RawKind, row: Row) -> None:
        body = self._envelope(read, kind, row=msgspec.Raw(row.body))
        read.names[row.date].add(row.name)
        read.rows += 1
        read.acks.append(
            await self._producer.send(
                self._source.topic, body, key=row.campaign_key.encode(), timestamp_ms=read.fetched_at_ms
            )
        )
        telemetry.received(Stage.SOURCE)

    def _envelope(self, read: _Read, kind: RawKind, **more: Any) -> bytes:
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

    async def _produce_vanished(self, read: _Read) -> None:
        """What an earlier run returned for these days and this one did not, stands at zero from now on."""
        gone: list[tuple[str, str]] = []
        for day in _days(read.since, read.until):
            before = self._cursors.get(self._name(read.account, read.report, day)) or []
            gone += [(day, name) for name in before if name not in read.names[day]]
        for day, name in gone:
            row = self._source.vanished(read.account, read.report, day, name)
            body = self._envelope(read, RawKind.VANISHED, row=msgspec.Raw(row.body))
            read.acks.append(
                await self._producer.send(
                    self._source.topic, body, key=row.campaign_key.encode(), timestamp_ms=read.fetched_at_ms
                )
            )
        read.vanished = len(gone)

    async def _settle(self, read: _Read) -> None:
        acks, read.acks = read.acks, []
        await asyncio.gather(*acks)
        telemetry.emitted(Stage.SOURCE, read.rows)

    async def _produce_complete(self, read: _Read) -> None:
        body = self._envelope(
            read,
            RawKind.REPORT_COMPLETE,
            since=str(read.since),
            until=str(read.until),
            rows=read.rows,
            zone=read.account.zone,
        )
        for partition in range(self._settings.partitions):
            read.acks.append(
                await self._producer.send(
                    self._source.topic, body, partition=partition, timestamp_ms=read.fetched_at_ms
                )
            )
        acks, read.acks = read.acks, []
        await asyncio.gather(*acks)

    async def _save(self, read: _Read, cursor: Mapping[str, Any]) -> None:
        account, report = read.account, read.report
        for day in _days(read.since, read.until):
            name, found = self._name(account, report, day), sorted(read.names[day])
            if report is not Report.ENTITY and (self._cursors.get(name) or []) != found:
                await self._cursors.save(name, found)
        oldest = str(read.until - self._longest)
        for name in self._cursors.names(self._name(account, report) + "|"):
            if name.rpartition("|")[2] < oldest:
                await self._cursors.save(name, None)
        span = (read.until - read.since).days
        daily_ms = read.fetched_at_ms if span >= self._lookback.daily else cursor.get("daily_ms")
        monthly_ms = read.fetched_at_ms if span >= self._lookback.monthly else cursor.get("monthly_ms")
        if daily_ms is None:
            daily_ms = read.fetched_at_ms
        done = {"daily_ms": daily_ms, "monthly_ms": monthly_ms, "read_ms": read.fetched_at_ms}
        await self._cursors.save(self._name(account, report), done)

    @property
    def _longest(self) -> Any:
        return date.resolution * (self._lookback.monthly + 2)

    def _name(self, account: Account, report: Report, day: str = "") -> str:
        name = f"{self._source.name}|{account.account_id}|{report}"
        return f"{name}|{day}" if day else name

    # -- feed health -----------------------------------------------------------------------------------------

    async def _report_failure(self, account_id: str, error: Exception, report: Report | None = None) -> None:
        if isinstance(error, Stopped):
            return
        detail = str(error)
        state = FeedState.FAILING
        if isinstance(error, Misconfigured):
            state = FeedState.STOPPED
            self._stopped[account_id] = detail
            log.error("a person must act", source=self._source.name, account=account_id, detail=detail)
        else:
            log.warning("read given up until the next run", source=self._source.name, account=account_id, detail=detail)
        telemetry.health.set("source", ok=state is not FeedState.STOPPED, detail=detail)
        for name in [report] if report is not None else self._source.reports:
            await self._publish_health(account_id, name, state, detail=detail)

    async def _publish_health(
        self, account_id: str, report: Report, state: FeedState, *, read: _Read | None = None, detail: str = ""
    ) -> None:
        name = f"{self._source.name}|{account_id}|{report}"
        last_ms = (self._cursors.get(name) or {}).get("read_ms")
        health = FeedHealth(
            source=self._source.name,
            account_id=account_id,
            report=str(report),
            state=state,
            at_ms=self._clock.now_ms(),
            last_ok_ms=last_ms,
            read_until_ms=last_ms,
            rows=read.rows if read else 0,
            vanished=read.vanished if read else 0,
            detail=detail,
        )
        await self._producer.send_and_wait(FEEDS, orjson.dumps(health.model_dump(mode="json")), key=name.encode())
        if read is not None:
            telemetry.feed_age_s(self._source.name, account_id, str(report))


def _days(since: date, until: date) -> list[str]:
    return [str(since + date.resolution * number) for number in range((until - since).days + 1)]
