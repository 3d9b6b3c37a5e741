"""The loop of every reporting source: which account is read when, what is tried again, who rests, what is said.

Every account runs by itself: a failing one neither stops nor rewinds nor delays the others. What a person must mend
stops the account with a sentence that says how; it is tried again once an hour, because access may be given elsewhere.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from connectors import telemetry
from connectors.clock import Clock
from connectors.feeds import Feeds
from connectors.outgoing import ProducerLost
from connectors.reading import ReportReader
from connectors.retry import Stopped, retrying
from connectors.source import Source
from pipeline.codes import MisconfiguredCode, Stage
from pipeline.errors import Misconfigured, PipelineError, Transient
from schemas.raw import Report

T = TypeVar("T")
ACCOUNTS_AT_ONCE = 4
ATTEMPTS = 6  # of one read, before the account waits for the next run
PATIENCE_S = 60.0  # what is to be asked again later than this is left to a later run
REST_S = 3600.0  # pulse seconds, of an account that a person must look at
SHOWN = 3  # failing feeds in the health of the process
log = telemetry.log(__name__)


class _Later(PipelineError):
    """The platform names a time to come back that is too far away to wait for. `rest_s`: pulse seconds."""

    def __init__(self, failure: Transient, rest_s: float) -> None:
        super().__init__(failure.code, f"{failure.detail}; asked again in {rest_s:.0f} s")
        self.rest_s = rest_s


class SourceRunner:
    """Runs one source over all its accounts. `stop` ends waits; a read under way is given up without its cursor."""

    def __init__(self, clock: Clock, source: Source, reader: ReportReader, feeds: Feeds, stop: asyncio.Event) -> None:
        self._clock, self._source, self._reader, self._feeds, self._stop = clock, source, reader, feeds, stop
        self._turns = asyncio.Semaphore(ACCOUNTS_AT_ONCE)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._rests_until_ms: dict[str, int] = {}  # account, "" for the source as a whole
        self._failing: dict[tuple[str, str], str] = {}  # (account, report) -> why
        self._notice: str | None = None
        self._read_any = False

    @property
    def failing(self) -> dict[tuple[str, str], str]:
        """(account, report) -> why, of everything whose last read failed. Account "": the list of accounts."""
        return dict(self._failing)

    async def run(self, interval_s: float) -> None:
        """A run every `interval_s` pulse seconds until told to stop. Raises ProducerLost."""
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            while not self._stop.is_set():
                next_ms = self._clock.now_ms() + interval_s * 1000
                await self._start_accounts()
                while not self._stop.is_set() and (left_ms := next_ms - self._clock.now_ms()) > 0:
                    left_s = self._clock.real_seconds(left_ms / 1000)
                    await asyncio.wait(
                        {stopping, *self._running.values()}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED
                    )
                    self._collect()
        finally:
            await self._end(stopping)

    async def run_once(self) -> None:
        """One run over every account, to its end. Raises ProducerLost."""
        try:
            await self._start_accounts()
            while self._running:
                await asyncio.wait(self._running.values(), return_when=asyncio.FIRST_COMPLETED)
                self._collect()
        finally:
            await self._end()

    # -- accounts --------------------------------------------------------------------------------------------

    async def _start_accounts(self) -> None:
        """A task for every account that neither runs nor rests."""
        self._look_ahead()
        if self._rests(""):
            return
        try:
            account_ids = await self._patiently(self._source.account_ids)
        except Stopped:
            return
        except ProducerLost:
            raise
        except PipelineError as error:
            await self._all_fail(error)
            return
        self._failing.pop(("", ""), None)
        for account_id in account_ids:
            if account_id not in self._running and not self._rests(account_id):
                self._running[account_id] = asyncio.ensure_future(self._run_account(account_id))

    def _collect(self) -> None:
        """Forgets the accounts that are through; raises what ended one otherwise than by itself."""
        for account_id, task in list(self._running.items()):
            if task.done():
                del self._running[account_id]
                task.result()

    async def _end(self, *more: asyncio.Future[Any]) -> None:
        ending: list[asyncio.Future[Any]] = [*self._running.values(), *more]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._running.clear()

    def _rests(self, account_id: str) -> bool:
        return self._clock.now_ms() < self._rests_until_ms.get(account_id, 0)

    async def _run_account(self, account_id: str) -> None:
        """Its reports, one after another. A report that fails does not keep the later ones from being read."""
        try:
            account = await self._patiently(lambda: self._source.account(account_id))
        except Stopped:
            return
        except ProducerLost:
            raise
        except PipelineError as error:
            await self._fails(account_id, list(self._source.reports), error)
            return
        for report in self._source.reports:
            try:
                read = await self._patiently(lambda report=report: self._reader.read(account, report))  # type: ignore[misc]
            except Stopped:
                return
            except ProducerLost:
                raise
            except PipelineError as error:
                alone = not self._stops_account(error)
                await self._fails(account_id, [report] if alone else list(self._source.reports), error)
                if not alone:
                    return
                continue
            self._failing.pop((account_id, str(report)), None)
            self._read_any = True
            await self._feeds.ok(read)
            self._say_health()

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Tries again in place while that takes no longer than `PATIENCE_S` each time; waits outside of its turn."""

        async def in_turn() -> T:
            async with self._turns:
                try:
                    return await call()
                except Transient as failure:
                    if (failure.retry_after_s or 0.0) > PATIENCE_S:
                        raise _Later(failure, failure.retry_after_s or 0.0) from None
                    raise

        def told(failure: Transient, wait_s: float) -> None:
            telemetry.retried(Stage.SOURCE, failure.code)
            log.info("asking again", source=self._source.name, code=failure.code, wait_s=round(wait_s, 2))

        return await retrying(in_turn, stop=self._stop, attempts=ATTEMPTS, on_retry=told)

    # -- what is said ----------------------------------------------------------------------------------------

    @staticmethod
    def _stops_account(error: PipelineError) -> bool:
        """A report that is refused as such stops alone."""
        return isinstance(error, _Later) or (isinstance(error, Misconfigured) and error.code != MisconfiguredCode.QUERY)

    async def _all_fail(self, error: PipelineError) -> None:
        """The list of accounts cannot be had: none of those we know is read, and each feed says so."""
        self._rest("", error)
        self._note("", "", error)
        for account_id in sorted(self._reader.known_accounts() - set(self._running)) or [""]:
            await self._publish(account_id, list(self._source.reports), error)

    async def _fails(self, account_id: str, reports: list[Report], error: PipelineError) -> None:
        if self._stops_account(error):
            self._rest(account_id, error)
        for report in reports:
            self._note(account_id, str(report), error)
        await self._publish(account_id, reports, error)

    async def _publish(self, account_id: str, reports: list[Report], error: PipelineError) -> None:
        for report in reports:
            await self._feeds.failing(
                account_id,
                report,
                error.detail or str(error),
                stopped=isinstance(error, Misconfigured),
                last_read_ms=self._reader.last_read_ms(account_id, report),
            )

    def _rest(self, account_id: str, error: PipelineError) -> None:
        rest_s = error.rest_s if isinstance(error, _Later) else REST_S if isinstance(error, Misconfigured) else 0.0
        self._rests_until_ms[account_id] = self._clock.now_ms() + int(rest_s * 1000)

    def _note(self, account_id: str, report: str, error: PipelineError) -> None:
        """Logged once, not in every run."""
        detail = error.detail or str(error)
        if self._failing.get((account_id, report)) != detail:
            self._failing[account_id, report] = detail
            said = "a person must act" if isinstance(error, Misconfigured) else "given up until a later run"
            log.warning(said, source=self._source.name, account=account_id, report=report, detail=detail)
        self._say_health()

    def _say_health(self) -> None:
        """Ready as long as anything is read; the feeds that are not are named."""
        shown = [f"{' '.join(filter(None, place))}: {why}" for place, why in sorted(self._failing.items())[:SHOWN]]
        ok = not self._failing or (self._read_any and ("", "") not in self._failing)
        telemetry.health.set("source", ok=ok, detail="; ".join(shown))

    def _look_ahead(self) -> None:
        notice = self._source.notice(datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).date())
        if notice is not None and notice != self._notice:
            log.warning("look ahead", source=self._source.name, detail=notice)
        self._notice = notice
        telemetry.health.set("api version", ok=notice is None, detail=notice or "", required=False)
