"""`pulse sink`: one process that stores every topic in ClickHouse."""

import asyncio
import gc
import os
import signal
from typing import Annotated

import typer
import uvloop

from connectors import telemetry
from connectors.clickhouse.sink import run_sink
from connectors.clock import Clock
from connectors.niceness import give_way
from connectors.settings import Settings, load_settings
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured
from schemas.tables import SINK_TOPICS

# Records that wait form no cycles; to look through them as often as new ones come costs more than it finds.
COLLECTIONS = (50_000, 20, 100)
NICENESS = 5  # where it shares a machine with workers; alone it costs nothing


def sink(
    topics: Annotated[
        str, typer.Option(help="Only these topics, separated by commas; for several sinks, each topic in one of them.")
    ] = "",
) -> None:
    """Store topics in ClickHouse until told to stop, from where the last stored block ends."""
    settings = load_settings()
    telemetry.configure_logging(settings.log_level, json=True)
    telemetry.serve_health(settings.sink.http_port, settings.health_host)
    gc.set_threshold(*COLLECTIONS)
    give_way(NICENESS)
    uvloop.run(_until_signal(settings, chosen(topics)))


def chosen(topics: str) -> tuple[str, ...]:
    """`a,b` as names; all when empty. Raises Misconfigured(SETTING) naming a topic no table is made of."""
    names = tuple(name.strip() for name in topics.split(",") if name.strip())
    for name in names:
        if name not in SINK_TOPICS:
            raise Misconfigured(
                MisconfiguredCode.SETTING, f'--topics has "{name}"; the sink knows {", ".join(SINK_TOPICS)}.'
            )
    return names or SINK_TOPICS


async def _until_signal(settings: Settings, topics: tuple[str, ...]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run_sink(settings, Clock.from_environment(os.environ), stop=stop, topics=topics)
