"""`pulse simulate`: the simulated market behind the platform's own API, on loopback, until a signal comes."""

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from connectors.simulator.events import EventFeed
    from connectors.simulator.market import Market
    from connectors.simulator.truth import Truth

EXIT_MISCONFIGURED = 78


def simulate(
    *,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8099,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    seed: Annotated[int, typer.Option(help="The same seed is the same market.")] = 1,
    campaigns: Annotated[int, typer.Option(min=1, max=100_000, help="How many campaigns advertise.")] = 24,
    truth: Annotated[
        Path | None, typer.Option(help="File that keeps what was served; an existing one is gone on with.")
    ] = None,
    events_url: Annotated[
        str | None, typer.Option(help="Post own-tag events to this intake, e.g. http://127.0.0.1:8080/v1/events.")
    ] = None,
    events_rate: Annotated[float, typer.Option(min=0.1, max=20_000, help="Events a second, of real time.")] = 20.0,
    events_limit: Annotated[int | None, typer.Option(min=1, help="Stop posting after so many events.")] = None,
    ledger: Annotated[Path | None, typer.Option(help="File that keeps every acknowledged event.")] = None,
    anchor_ms: Annotated[
        int | None, typer.Option(help="When the story begins, Unix ms; by default now. A truth file keeps its own.")
    ] = None,
    page_rows: Annotated[
        int, typer.Option(min=1, help="Rows of a page; the platform's own number is 10,000.")
    ] = 10_000,
    outages: Annotated[bool, typer.Option(help="Let the platform be away or busy now and then.")] = True,
) -> None:
    """Serve a simulated advertising market over the Google Ads API, and post own-tag events."""
    from connectors.clock import Clock
    from connectors.simulator.events import EventFeed
    from connectors.simulator.market_settings import MarketSettings
    from connectors.simulator.server import listen, open_market
    from pipeline.errors import Misconfigured

    try:
        clock = Clock.from_environment(os.environ)
        settings = MarketSettings(
            seed=seed,
            anchor_ms=clock.now_ms() if anchor_ms is None else anchor_ms,
            campaigns=campaigns,
            outages=outages,
        )
        market, record = open_market(settings, truth)
        sock = listen(host, port)
        feed = (
            EventFeed(events_url, seed=seed, rate_per_s=events_rate, ledger=ledger, limit=events_limit)
            if events_url
            else None
        )
        typer.echo(f"simulator listening on http://{host}:{sock.getsockname()[1]}")
        asyncio.run(_until_signal(market, clock.now_ms, sock, truth=record, feed=feed, page_rows=page_rows))
    except Misconfigured as error:
        typer.echo(error.detail, err=True)
        raise typer.Exit(EXIT_MISCONFIGURED) from None


async def _until_signal(
    market: "Market",
    now_ms: "Callable[[], int]",
    sock: "socket.socket",
    *,
    truth: "Truth | None",
    feed: "EventFeed | None",
    page_rows: int,
) -> None:
    from connectors.simulator.server import serve

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(market, now_ms, sock, stop, truth=truth, feed=feed, page_rows=page_rows)
