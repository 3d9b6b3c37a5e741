"""One reporting source as a process: from settings to a loop that ends cleanly."""

import asyncio
import signal
from datetime import UTC, datetime

import httpx

from connectors import telemetry
from connectors.clock import Clock
from connectors.cursors import Cursors
from connectors.google_ads import versions
from connectors.kafka import start_producer
from connectors.registry import LOOKBACKS, SOURCES
from connectors.retry import retrying
from connectors.run import SourceRunner
from connectors.settings import Settings

LINGER_MS = 20
log = telemetry.log(__name__)


async def run_source(settings: Settings, clock: Clock, name: str, *, once: bool = False) -> None:
    """Runs until SIGTERM or SIGINT, or once over every account."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    telemetry.health.expect("source", "no run is complete yet")
    telemetry.serve_health(settings.google_ads.http_port, settings.health_host)
    ending = versions.warning(
        settings.google_ads.api_version, datetime.fromtimestamp(clock.now_ms() / 1000, UTC).date()
    )
    if ending is not None:
        log.warning("api version ends", detail=ending)
    producer = await retrying(lambda: start_producer(settings, linger_ms=LINGER_MS), stop=stop)
    try:
        async with httpx.AsyncClient(timeout=httpx.Timeout(settings.google_ads.timeout_s, connect=10)) as http:
            source = SOURCES[name](settings, http, clock)
            cursors = await Cursors.load(settings, producer, f"{source.name}|")
            runner = SourceRunner(settings, clock, source, producer, cursors, LOOKBACKS[name](settings), stop)
            if once:
                await runner.run_once()
            else:
                running = asyncio.create_task(runner.run(settings.google_ads.interval_s))
                stopping = asyncio.create_task(stop.wait())
                await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                stopping.cancel()
    finally:
        await producer.stop()
