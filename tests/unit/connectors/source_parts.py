"""A source, a producer and cursors of the tests' own, to run the loop over."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from connectors.clock import Clock
from connectors.cursors import Cursors
from connectors.feeds import Feeds
from connectors.lookback import Lookback
from connectors.reading import ReportReader
from connectors.run import SourceRunner
from connectors.source import Account, Row
from schemas.raw import Report
from schemas.topics import CURSORS, FEEDS

TOPIC = "raw.google_ads.v1"
PARTITIONS = 2
NOW_MS = 1_795_262_400_000  # 2026-11-21 12:00 UTC
TODAY = "2026-11-21"


class Now(Clock):
    """A clock the tests move, by hand or by `speed` on the wall."""

    at_ms = NOW_MS

    def now_ms(self) -> int:
        return Now.at_ms


@dataclass
class Producer:
    """Writes to `log`: (topic, key, partition, value). `hold` keeps acks back; `fail` is raised instead of one."""

    log: list[tuple[str, bytes | None, int | None, Any]] = field(default_factory=list)
    fail: Exception | None = None
    fail_ack: Exception | None = None
    hold: bool = False
    held: list[asyncio.Future[None]] = field(default_factory=list)

    async def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> "asyncio.Future[None]":
        if self.fail is not None:
            raise self.fail
        self.log.append((topic, key, partition, None if value is None else json.loads(value)))
        ack: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.hold and topic == TOPIC:
            self.held.append(ack)
        elif self.fail_ack is not None and topic == TOPIC:
            ack.set_exception(self.fail_ack)
        else:
            ack.set_result(None)
        return ack

    async def send_and_wait(self, topic: str, value: bytes | None = None, key: bytes | None = None) -> None:
        await (await self.send(topic, value, key))

    def raw(self, kind: str) -> list[dict[str, Any]]:
        return [value for topic, _, _, value in self.log if topic == TOPIC and value["kind"] == kind]

    def cursors(self) -> dict[str, Any]:
        return {(key or b"").decode(): value for topic, key, _, value in self.log if topic == CURSORS}

    def feeds(self) -> dict[tuple[str, str], dict[str, Any]]:
        """(account, report) -> the newest."""
        found = [value for topic, _, _, value in self.log if topic == FEEDS]
        return {(feed["account_id"], feed["report"]): feed for feed in found}


Page = list[tuple[str, str]]  # (date, name)


@dataclass
class FakeSource:
    """Every account has `rows` as one page a report. `errors`: (account, report or "") -> raised, one after another."""

    name: str = "google_ads"
    topic: str = TOPIC
    api_version: str = "v26"
    reports: tuple[Report, ...] = (Report.CAMPAIGN_DAY,)
    account_list: list[str] = field(default_factory=lambda: ["1"])
    rows: list[Page] = field(default_factory=lambda: [[(TODAY, "a")]])
    errors: dict[tuple[str, str], list[Exception]] = field(default_factory=dict)
    asked: list[tuple[str, str, date, date]] = field(default_factory=list)
    after_page: Callable[[], Any] = lambda: None
    sentence: str | None = None
    zone: str = "Europe/Berlin"

    def notice(self, today: date) -> str | None:
        return self.sentence

    async def account_ids(self) -> list[str]:
        self._raise("", "")
        return list(self.account_list)

    async def account(self, account_id: str) -> Account:
        self._raise(account_id, "")
        return Account(account_id, self.zone, "EUR")

    async def pages(self, account: Account, report: Report, since: date, until: date) -> AsyncIterator[list[Row]]:
        self.asked.append((account.account_id, str(report), since, until))
        for number, page in enumerate(self.rows):
            if number:
                self._raise(account.account_id, f"{report}/{number}")
            else:
                self._raise(account.account_id, str(report))
            yield [_row(account, day, name) for day, name in page]
            self.after_page()

    def vanished(self, account: Account, report: Report, day: str, name: str) -> Row:
        return _row(account, day, name)

    def _raise(self, account_id: str, report: str) -> None:
        errors = self.errors.get((account_id, report))
        if errors:
            raise errors.pop(0)


def _row(account: Account, day: str, name: str) -> Row:
    body = json.dumps({"name": name, "date": day}).encode()
    return Row(f"google_ads:{account.account_id}:{name or '?'}", day if name else "", name, body)


@dataclass
class Parts:
    """Everything around one runner."""

    source: FakeSource = field(default_factory=FakeSource)
    producer: Producer = field(default_factory=Producer)
    saved: dict[str, Any] = field(default_factory=dict)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        Now.at_ms = NOW_MS
        clock = Now(0, 0, 1000.0)
        self.cursors = Cursors(self.producer, self.saved)
        self.reader = ReportReader(
            self.source,
            clock,
            self.producer,
            self.cursors,
            Lookback(1, 7, 30),
            partitions=PARTITIONS,
        )
        feeds = Feeds(self.source.name, clock, self.producer)
        self.runner = SourceRunner(clock, self.source, self.reader, feeds, self.stop)

    async def read(self, report: Report = Report.CAMPAIGN_DAY, account: str = "1") -> None:
        await self.reader.read(Account(account, self.source.zone, "EUR"), report)
