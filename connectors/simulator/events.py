"""The event generator: posts own-tag events to the intake at a steady rate, and offers each batch until it is taken."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson

from connectors.retry import retrying
from connectors.simulator.event_ledger import EventLedger
from connectors.simulator.event_market import MarketEvent, event
from pipeline.codes import MisconfiguredCode, TransientCode
from pipeline.errors import Misconfigured, Transient

_BEAT_S = 0.2
_MAX_BATCH = 2_000
_TIMEOUT_S = 10.0
_COPY_AFTER_BATCHES = 5
_ATTEMPTS_A_ROUND = 5
_LAST_BATCH_S = 1.0  # how long a batch under way may take once the generator is to stop


@dataclass(frozen=True, slots=True)
class EventFeed:
    """`url`: the intake's whole address (`http://127.0.0.1:8080/v1/events`). `rate_per_s` is per real second.

    `run` keeps the event ids of two runs apart; by default the pulse time of the start.
    """

    url: str
    seed: int = 1
    rate_per_s: float = 20.0
    ledger: Path | None = None
    run: str | None = None
    limit: int | None = None  # stop after so many distinct events


@dataclass(slots=True)
class Sent:
    """What has been acknowledged: distinct events, second copies, and batches."""

    events: int = 0
    copies: int = 0
    batches: int = 0


class EventGenerator:
    """`now_ms` reads pulse time. `run` returns when `stop` is set or the limit is reached."""

    def __init__(self, feed: EventFeed, now_ms: Callable[[], int]) -> None:
        self._feed = feed
        self._now_ms = now_ms
        self._number = 0
        self._copies: deque[tuple[int, MarketEvent]] = deque()
        self.sent = Sent()

    async def run(self, stop: asyncio.Event) -> Sent:
        """Raises Misconfigured when the intake refuses a batch for good (an address that is not ours, a bad event)."""
        ledger = EventLedger(self._feed.ledger) if self._feed.ledger else None
        run = self._feed.run or f"{self._now_ms():x}"
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
                await self._beat(client, run, ledger, stop)
        finally:
            if ledger:
                ledger.close()
        return self.sent

    async def _beat(self, client: httpx.AsyncClient, run: str, ledger: EventLedger | None, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        due, before_s = 0.0, loop.time()
        while not stop.is_set() and not self._done:
            await _wait(stop, _BEAT_S)
            now_s = loop.time()
            # What could not be sent while the intake was away is not made up for: people saw no page either.
            due = min(due + (now_s - before_s) * self._feed.rate_per_s, float(_MAX_BATCH), self._feed.rate_per_s + 1)
            before_s = now_s
            fresh = self._fresh(run, int(due))
            due -= len(fresh)
            copies = self._copies_due()
            if fresh or copies:
                await self._offer(client, fresh, copies, ledger, stop)

    @property
    def _done(self) -> bool:
        return self._feed.limit is not None and self._number >= self._feed.limit and not self._copies

    def _fresh(self, run: str, wanted: int) -> list[MarketEvent]:
        if self._feed.limit is not None:
            wanted = min(wanted, self._feed.limit - self._number)
        now_ms = self._now_ms()
        fresh = [event(self._feed.seed, run, self._number + step, now_ms) for step in range(wanted)]
        self._number += len(fresh)
        return fresh

    def _copies_due(self) -> list[MarketEvent]:
        due = []
        while self._copies and self._copies[0][0] <= self.sent.batches:
            due.append(self._copies.popleft()[1])
        if not due and self._copies and self._feed.limit is not None and self._number >= self._feed.limit:
            due.append(self._copies.popleft()[1])
        return due

    async def _offer(
        self,
        client: httpx.AsyncClient,
        fresh: list[MarketEvent],
        copies: list[MarketEvent],
        ledger: EventLedger | None,
        stop: asyncio.Event,
    ) -> None:
        content = b"\n".join(orjson.dumps(one.body) for one in (*fresh, *copies)) + b"\n"
        taken = await _until_taken(lambda: _post(client, self._feed.url, content), stop)
        if ledger:
            ledger.write(fresh, acknowledged=taken)
        if taken:
            self.sent.events += len(fresh)
            self.sent.copies += len(copies)
            self.sent.batches += 1
            self._copies.extend((self.sent.batches + _COPY_AFTER_BATCHES, one) for one in fresh if one.twice)


async def _until_taken(post: Callable[[], Awaitable[None]], stop: asyncio.Event) -> bool:
    """Offers the same batch until it is taken; after `stop`, a moment longer. False: given up, its fate is unknown."""
    attempt = asyncio.ensure_future(_again_and_again(post))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({attempt, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({attempt}, timeout=_LAST_BATCH_S)
        if attempt.done():
            attempt.result()
            return True
        return False
    finally:
        stopping.cancel()
        attempt.cancel()
        await asyncio.gather(attempt, stopping, return_exceptions=True)


async def _again_and_again(post: Callable[[], Awaitable[None]]) -> None:
    """Back-off starts anew every few attempts: people do not visit less often because an intake was long away."""
    while True:
        try:
            return await retrying(post, attempts=_ATTEMPTS_A_ROUND)
        except Transient:
            continue


async def _post(client: httpx.AsyncClient, url: str, content: bytes) -> None:
    try:
        answer = await client.post(url, content=content, headers={"content-type": "application/x-ndjson"})
    except httpx.TransportError as error:
        raise Transient(TransientCode.NETWORK, str(error) or type(error).__name__) from error
    if answer.is_success:
        return
    if answer.status_code in {408, 425, 429} or answer.status_code >= 500:
        raise Transient(TransientCode.UPSTREAM_BUSY, f"the intake answered {answer.status_code}")
    raise Misconfigured(
        MisconfiguredCode.SETTING,
        f"The intake at {url} refused a batch of events with {answer.status_code}: {answer.text[:300]}. "
        "Check that the address is the event intake of this system.",
    )


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
