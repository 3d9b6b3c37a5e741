"""`pulse up`: everything on this machine, until Ctrl-C or for a while."""

import signal
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.live import Live

from agents.cli.durations import seconds_of
from agents.local_stack import CLOCK_SAVE_S, LocalStack, StackOptions
from agents.tail import Tail
from agents.up_view import view
from connectors.settings import load_settings

REFRESH_S = 0.5
DRAIN_LIMIT_S = 30.0


def up(
    data: Annotated[Path, typer.Option("--data", help="Folder of everything that is kept.")] = Path(".pulse"),
    duration: Annotated[str, typer.Option(help="End after this long: 90s, 5m, 1h. Without it: until Ctrl-C.")] = "",
    seed: Annotated[int, typer.Option(help="Another seed, another market.")] = 7,
    speed: Annotated[float, typer.Option(help="How fast the demo's clock runs; 60 is an hour a minute.")] = 1.0,
    workers: Annotated[int, typer.Option(min=1, max=32)] = 2,
    rate: Annotated[float, typer.Option(min=0, help="Own-tag events a second that the simulator sends.")] = 20.0,
    as_json: Annotated[bool, typer.Option("--json", help="End with one JSON object on stdout.")] = False,
) -> None:
    """Start broker, ClickHouse, simulator, connector, intake, workers and sink; show totals and alerts."""
    limit_s = seconds_of(duration) if duration else None
    console = Console(stderr=True)
    stop = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stop.set())
    options = StackOptions(data, seed=seed, speed=speed, workers=workers, rate=rate)
    stack = LocalStack(options, load_settings(), lambda line: console.print(f"[dim]{line}[/dim]"))
    tail: Tail | None = None
    result: dict[str, Any] | None = None
    try:
        stack.open()
        tail = Tail(stack.settings, stack.clock)
        tail.start()
        _run(stack, tail, console, stop, limit_s)
        if limit_s is not None and not stop.is_set():
            from agents.summary import summary

            result = summary(stack, tail.seen, stop=stop, limit_s=DRAIN_LIMIT_S, say=stack.say)
    finally:
        if tail is not None:
            tail.stop()
        stack.close()
    if result is not None:
        _print(result, as_json=as_json)
        raise typer.Exit(0 if result["verify"]["ok"] and not result["not_running"] else 1)


def _run(stack: LocalStack, tail: Tail, console: Console, stop: threading.Event, limit_s: float | None) -> None:
    """Watch until told to stop, until time is up, or until a part needs a person."""
    started = saved = time.monotonic()
    stack.say(f"running; addresses: {', '.join(f'{k} {v}' for k, v in stack.addresses.items() if ':' not in k)}")
    live = Live(console=console, refresh_per_second=4, transient=False) if console.is_terminal else None
    if live is not None:
        live.start()
    try:
        while not stop.wait(REFRESH_S):
            now = time.monotonic()
            if limit_s is not None and now - started >= limit_s:
                return
            if now - saved >= CLOCK_SAVE_S:
                stack.keep_clock()
                saved = now
            stack.raise_failures()
            stack.obey_hold()
            if live is not None:
                live.update(view(stack, tail.seen, elapsed_s=now - started))
    finally:
        if live is not None:
            live.stop()


def _print(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps(result).decode() + "\n")
        sys.stdout.flush()
    else:
        Console().print_json(data=result)
