"""`pulse migrate`: topics and tables as this version needs them; a second call changes nothing."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import orjson
import typer
from rich.console import Console

from connectors.clickhouse.migrations import migrate as migrate_clickhouse
from connectors.kafka_admin import ensure_topics
from connectors.retry import retrying
from connectors.settings import load_settings
from pipeline.errors import Transient

T = TypeVar("T")
ATTEMPTS = 12  # about two minutes: long enough for parts that are still starting


def migrate(
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as one JSON object.")] = False,
) -> None:
    """Create missing topics and correct their settings; apply outstanding ClickHouse migrations."""
    settings = load_settings()
    console = Console(stderr=True)
    topics = asyncio.run(_patiently(lambda: ensure_topics(settings), console))
    tables = asyncio.run(_patiently(lambda: migrate_clickhouse(settings), console))
    done: dict[str, Any] = {"topics": topics, "migrations": tables}
    if as_json:
        typer.echo(orjson.dumps(done, default=list))
        return
    for name, change in topics.items():
        console.print(f"topic {name}: {change}")
    console.print(f"ClickHouse: {tables if tables else 'nothing to apply'}")
    if not topics:
        console.print("topics: nothing to do")


async def _patiently(call: Callable[[], T], console: Console) -> T:
    def waiting(failure: Transient, wait_s: float) -> None:
        console.print(f"{failure}; trying again in {wait_s:.1f} s")

    async def attempt() -> T:
        return await asyncio.to_thread(call)

    return await retrying(attempt, attempts=ATTEMPTS, on_retry=waiting)
