"""Running the simulator: the platform API and, when asked, the event generator, until a stop is asked for."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from connectors.simulator.events import EventFeed, EventGenerator
from connectors.simulator.google_ads_api import create_app
from connectors.simulator.google_ads_pages import PAGE_ROWS
from connectors.simulator.google_ads_service import GoogleAdsService
from connectors.simulator.market import Market
from connectors.simulator.market_settings import MarketSettings
from connectors.simulator.truth import Truth, settings_of
from connectors.simulator.truth_figures import market_of
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterator

_GRACE_S = 1
_BACKLOG = 128


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the loop."""

    @contextmanager
    def capture_signals(self) -> "Iterator[None]":
        yield


def open_market(settings: MarketSettings, truth_file: Path | None) -> tuple[Market, Truth | None]:
    """The market, going on where a truth file left it: its anchor and every ordered change hold.

    Raises Misconfigured(SETTING) when the file was begun with another seed or another number of campaigns.
    """
    if truth_file is None:
        return Market(settings), None
    begun = settings_of(truth_file)
    if begun is None:
        return Market(settings), Truth(truth_file, settings)
    if replace(settings, anchor_ms=begun.anchor_ms) != begun:
        raise Misconfigured(
            MisconfiguredCode.SETTING,
            f"{truth_file} was begun with seed {begun.seed} and {begun.campaigns} campaigns, and now seed "
            f"{settings.seed} and {settings.campaigns} campaigns are asked for (or other market settings). Start with "
            "those of the file, or name another truth file.",
        )
    return market_of(truth_file), Truth(truth_file, begun)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises Misconfigured(PORT_IN_USE)."""
    # asyncio turns off the delay of small packets only for a socket that names its protocol.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise Misconfigured(
            MisconfiguredCode.PORT_IN_USE,
            f"The simulator cannot listen on {host}:{port} ({error.strerror}); choose another with --port.",
        ) from None
    sock.listen(_BACKLOG)
    return sock


async def serve(
    market: Market,
    now_ms: Callable[[], int],
    sock: socket.socket,
    stop: asyncio.Event,
    *,
    truth: Truth | None = None,
    feed: EventFeed | None = None,
    page_rows: int = PAGE_ROWS,
) -> None:
    """Serves on the bound socket until `stop` is set; ends within two seconds of it.

    Raises Misconfigured when the intake refuses the events for good, and RuntimeError when the server ends by itself.
    """
    service = GoogleAdsService(market, now_ms, page_rows=page_rows, truth=truth)
    config = uvicorn.Config(
        create_app(service),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_GRACE_S,
        lifespan="off",
    )
    server = _Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[sock]))
    stopping = asyncio.ensure_future(stop.wait())
    generating = asyncio.ensure_future(_generate(feed, now_ms, stop))
    watched: set[asyncio.Future[Any]] = {serving, stopping, generating}
    try:
        while not stop.is_set():
            done, watched = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if generating in done:
                generating.result()
            if serving in done and not stop.is_set():
                serving.result()
                raise RuntimeError("the simulator's server ended without being asked to")
    finally:
        stop.set()
        server.should_exit = True
        await asyncio.gather(serving, stopping, generating, return_exceptions=True)
        if truth:
            truth.close()


async def _generate(feed: EventFeed | None, now_ms: Callable[[], int], stop: asyncio.Event) -> None:
    if feed is not None:
        await EventGenerator(feed, now_ms).run(stop)
