"""`pulse replay`: read the raw records again."""

import asyncio
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from agents.local_stack import environment_of
from agents.replay import rewind, workers_held
from connectors.settings import load_settings


def replay(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Count anew under the present code; publish what differs.")
    ] = False,
    data: Annotated[Path, typer.Option("--data", help="The folder given to `pulse up`.")] = Path(".pulse"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Let the workers read every raw record once more: nothing changes. With --rebuild: after a mended reading."""
    console = Console(stderr=True)
    environment = environment_of(data.absolute())
    settings = load_settings(environ={**os.environ, **(environment or {})})
    directory = data.absolute() if environment is not None else None
    result: dict[str, Any]
    with workers_held(settings, directory, console.print):
        if rebuild:
            from agents.rebuild import rebuild as rebuild_state
            from agents.replay import RAW_TOPICS
            from agents.stages import build_stages

            stages = [stage for stage in build_stages(settings) if stage.source in RAW_TOPICS]
            done = asyncio.run(
                rebuild_state(
                    settings,
                    stages,
                    progress=lambda part: console.print(
                        f"{part.topic} {part.partition}: {part.records} records, {part.published} statements published"
                    ),
                )
            )
            result = {"rebuilt": [asdict(part) for part in done], "published": sum(part.published for part in done)}
        else:
            result = {"records": rewind(settings)}
    if as_json:
        sys.stdout.write(orjson.dumps(result).decode() + "\n")
    elif rebuild:
        _show(result, Console())
    else:
        console.print(f"{result['records']} records will be read again; `pulse verify` shows that nothing has changed")


def _show(result: dict[str, Any], console: Console) -> None:
    table = Table(title="Rebuilt")
    for name in ("topic", "partition", "records", "from_store", "published", "generation"):
        table.add_column(name)
    for part in result["rebuilt"]:
        table.add_row(
            *(str(part[name]) for name in ("topic", "partition", "records", "from_store", "published", "generation"))
        )
    console.print(table)
