"""How fresh every feed is, on `feeds.v1` and in the metrics."""

import orjson
from aiokafka import AIOKafkaProducer

from connectors import telemetry
from connectors.clock import Clock
from connectors.outgoing import producing
from connectors.reading import Read
from schemas.feed import FeedHealth, FeedState
from schemas.raw import Report
from schemas.topics import FEEDS


class Feeds:
    """Publishes for one source; every call returns when the broker has it. Raises ProducerLost."""

    def __init__(self, source: str, clock: Clock, producer: AIOKafkaProducer) -> None:
        self._source, self._clock, self._producer = source, clock, producer

    async def ok(self, read: Read) -> None:
        account_id, report = read.account.account_id, read.report
        telemetry.feed_age_s(self._source, account_id, str(report))
        read_ms = read.fetched_at_ms
        await self._publish(account_id, report, FeedState.OK, read_ms, rows=read.rows, vanished=read.vanished)

    async def failing(
        self, account_id: str, report: Report, detail: str, *, stopped: bool, last_read_ms: int | None
    ) -> None:
        """`stopped`: a person must act, and `detail` says how."""
        state = FeedState.STOPPED if stopped else FeedState.FAILING
        await self._publish(account_id, report, state, last_read_ms, detail=detail)

    async def _publish(
        self,
        account_id: str,
        report: Report,
        state: FeedState,
        read_ms: int | None,
        *,
        rows: int = 0,
        vanished: int = 0,
        detail: str = "",
    ) -> None:
        health = FeedHealth(
            source=self._source,
            account_id=account_id,
            report=str(report),
            state=state,
            at_ms=self._clock.now_ms(),
            last_ok_ms=read_ms,
            read_until_ms=read_ms,
            rows=rows,
            vanished=vanished,
            detail=detail,
        )
        key = f"{self._source}|{account_id}|{report}".encode()
        with producing():
            await self._producer.send_and_wait(FEEDS, orjson.dumps(health.model_dump(mode="json")), key=key)
