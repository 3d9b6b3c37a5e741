"""`pulse connect file`: a recorded file of events, or of rows a mapping makes events of."""

import asyncio
import os
import signal
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.file_source.replay import FileReplay, Replayed


class Timestamps(StrEnum):
    NOW = "now"
    RECORDED = "recorded"


def file(
    path: Annotated[Path, typer.Argument(help="CSV or NDJSON file, plain or gzip.")],
    mapping: Annotated[
        Path | None, typer.Option(help="TOML or JSON file: how a row becomes events. NDJSON of events needs none.")
    ] = None,
    constants: Annotated[
        list[str] | None, typer.Option("--set", help="FIELD=VALUE in every event, e.g. campaign_id=spring. Repeatable.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds of the file in a second; without it as fast as it goes.")
    ] = None,
    clock: Annotated[
        Timestamps, typer.Option(help="Time of receipt: now, or each event's own time (a recording as it was).")
    ] = Timestamps.NOW,
    again: Annotated[bool, typer.Option(help="From the first row, even if the file was read before.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Write a recorded file to the event topic. A second run goes on where the first stopped.

    Bad rows go to the dead letters. Exit 1 when it was stopped before the end.
    """
    from connectors import telemetry
    from connectors.clock import Clock
    from connectors.file_source.batches import ReplayOptions
    from connectors.file_source.mapping import load_mapping
    from connectors.file_source.replay import FileReplay
    from connectors.settings import load_settings

    settings = load_settings()
    telemetry.configure_logging(settings.log_level, json=not sys.stderr.isatty())
    rows = load_mapping(mapping) if mapping else None
    if constants:
        rows = _with_constants(rows, constants)
    options = ReplayOptions(speed=speed, recorded=clock is Timestamps.RECORDED, again=again)
    pulse_clock = Clock.from_environment(os.environ)

    def replay(stop: asyncio.Event, on_progress: "Callable[[int, int, Replayed], None]") -> FileReplay:
        return FileReplay(settings, pulse_clock, path, rows, options, stop=stop, on_progress=on_progress)

    result = asyncio.run(_run(replay, path.name))
    if as_json:
        typer.echo(orjson.dumps(asdict(result)))
    else:
        typer.echo(_sentence(path.name, result))
    if not result.finished:
        raise typer.Exit(1)


def _with_constants(mapping: Any, constants: list[str]) -> Any:
    pairs = dict(one.split("=", 1) for one in constants if "=" in one)
    if mapping is None or len(pairs) != len(constants):
        raise typer.BadParameter("--set takes FIELD=VALUE, each field once, and needs a --mapping")
    return mapping.with_constants(pairs)


async def _run(replay: "Callable[..., FileReplay]", name: str) -> "Replayed":
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    bar, on_progress = _progress(name)
    with bar:
        return await replay(stop, on_progress).run()


def _progress(name: str) -> "tuple[AbstractContextManager[Any], Callable[[int, int, Replayed], None]]":
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        return nullcontext(), lambda *_: None
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[events]:,} events"))
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    task = bar.add_task(name, total=None, events=0)

    def on_progress(position_bytes: int, size_bytes: int, result: "Replayed") -> None:
        bar.update(task, completed=position_bytes, total=size_bytes, events=result.events)

    return bar, on_progress


def _sentence(name: str, result: "Replayed") -> str:
    if result.finished and not result.rows and result.skipped:
        return f"{name} was read to its end before ({result.skipped:,} rows); --again reads it once more"
    end = "" if result.finished else "; stopped before the end, run it again to go on"
    before = f", {result.skipped:,} rows were written before" if result.skipped else ""
    rejected = f", {result.rejected:,} rows refused (see `pulse dead-letters list`)" if result.rejected else ""
    return f"{name}: {result.rows:,} rows, {result.events:,} events{rejected}{before}{end}"
