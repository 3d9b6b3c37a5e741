"""The event generator over real HTTP, against an intake that refuses and takes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI, Request, Response

from connectors.simulator.events import EventFeed, EventGenerator
from connectors.simulator.market import Market
from connectors.simulator.server import listen, serve
from pipeline.errors import Misconfigured
from schemas.event import Event

ANCHOR_MS = 1_795_244_400_000  # 2026-11-21 07:00 UTC


class Intake:
    """An intake that refuses first and keeps what it takes, as it came."""

    def __init__(self, refusals: list[int]) -> None:
        self.refusals = refusals
        self.offered: list[bytes] = []
        self.taken: list[bytes] = []
        self.app = FastAPI()
        self.app.post("/v1/events")(self.take)

    async def take(self, request: Request) -> Response:
        body = await request.body()
        self.offered.append(body)
        if self.refusals:
            return Response(status_code=self.refusals.pop(0))
        self.taken.append(body)
        return Response(status_code=202)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for body in self.taken for line in body.splitlines()]


@pytest_asyncio.fixture
async def intake() -> AsyncIterator[tuple[Intake, str]]:
    it, sock = Intake([503, 429]), listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(it.app, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
    server.capture_signals = nullcontext  # type: ignore[method-assign,assignment]
    running = asyncio.ensure_future(server.serve(sockets=[sock]))
    yield it, f"http://127.0.0.1:{sock.getsockname()[1]}/v1/events"
    server.should_exit = True
    await running


async def test_events_arrive_in_the_batches_of_the_ledger_and_some_twice(
    intake: tuple[Intake, str], tmp_path: Path
) -> None:
    it, url = intake
    ledger = tmp_path / "ledger.ndjson"
    feed = EventFeed(url, rate_per_s=1_000, ledger=ledger, run="r", limit=600)
    sent = await EventGenerator(feed, lambda: ANCHOR_MS).run(asyncio.Event())
    assert it.offered[0] == it.offered[1] == it.offered[2] == it.taken[0]
    ids = [event["event_id"] for event in it.events]
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [line["event_id"] for line in lines] == list(dict.fromkeys(ids))
    assert len(lines) == sent.events == 600
    assert len(ids) - 600 == sent.copies > 0
    assert all(line["acknowledged"] for line in lines)
    once = {event["event_id"]: event for event in it.events}
    for event in it.events:
        Event.model_validate(event)
        assert once[event["event_id"]] == event
    assert sum(line["spend_micros"] for line in lines) == sum(e.get("spend_micros", 0) for e in once.values())


async def test_a_stop_during_an_outage_of_the_intake_ends_soon_and_the_ledger_says_what_is_unsure(
    intake: tuple[Intake, str], tmp_path: Path
) -> None:
    it, url = intake
    it.refusals = [503] * 10_000
    ledger, stop = tmp_path / "ledger.ndjson", asyncio.Event()
    running = asyncio.ensure_future(
        EventGenerator(EventFeed(url, rate_per_s=100, ledger=ledger), lambda: ANCHOR_MS).run(stop)
    )
    while len(it.offered) < 2:
        await asyncio.sleep(0.02)
    stop.set()
    began_s = time.monotonic()
    sent = await running
    assert time.monotonic() - began_s < 2
    assert sent.events == 0
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [line["event_id"] for line in lines] == [json.loads(e)["event_id"] for e in it.offered[0].splitlines()]
    assert not any(line["acknowledged"] for line in lines)


async def test_an_intake_that_refuses_for_good_ends_the_simulator_with_the_address(
    intake: tuple[Intake, str],
) -> None:
    it, url = intake
    it.refusals = [404]
    sock = listen("127.0.0.1", 0)
    with pytest.raises(Misconfigured, match=url):
        await asyncio.wait_for(
            serve(Market(), lambda: ANCHOR_MS, sock, asyncio.Event(), feed=EventFeed(url, rate_per_s=50)), 20
        )
