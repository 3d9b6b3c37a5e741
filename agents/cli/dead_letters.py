"""`pulse dead-letters`: list, show and put back the records that could not go on."""

import asyncio
import base64
import os
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import orjson
import typer
from rich.console import Console
from rich.table import Table

from agents.cli.durations import seconds_of
from connectors.clock import Clock
from connectors.dead_letters import DeadLetters, Letter, PutBack, Wanted, place_of
from connectors.settings import load_settings

dead_letters = typer.Typer(no_args_is_help=True, help="List, show and put back what could not go on.")

Codes = Annotated[list[str] | None, typer.Option("--code", help="Only this reason, e.g. bad_time. Repeatable.")]
Topic = Annotated[str, typer.Option(help="Only records of this topic, e.g. raw.events.v1.")]
Since = Annotated[str, typer.Option(help="Only records from then on: 2h, 1d, or an instant as 2026-11-21T08:00:00Z.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@dead_letters.command("list")
def list_letters(
    codes: Codes = None,
    topic: Topic = "",
    since: Since = "",
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """What could not go on, and why, oldest first."""
    found, counts = asyncio.run(_found(_wanted(codes, topic, since), limit))
    if as_json:
        listed = [{**_described(letter), "value_bytes": len(letter.value_bytes or b"")} for letter in found]
        _print({"total": counts.total(), "by_code": dict(counts), "letters": listed})
        return
    table = Table(title=f"{counts.total():,} dead letters", title_justify="left")
    for name in ("letter", "at", "code", "field", "detail", "stage"):
        table.add_column(name, overflow="fold", no_wrap=name == "letter")
    for letter in found:
        table.add_row(letter.name, _instant(letter), letter.code, letter.field, letter.detail, letter.stage)
    console = Console()
    console.print(table)
    if counts.total() > len(found):
        console.print(f"the newest {len(found):,}; --limit shows more")


@dead_letters.command("show")
def show(
    name: Annotated[str, typer.Argument(help="As `list` names it: topic/partition/offset.")], as_json: AsJson = False
) -> None:
    """One letter with its bytes. Exit 1 when there is none of that name."""
    found, _ = asyncio.run(_found(Wanted(places=frozenset({_place(name)})), 1))
    if not found:
        sys.stderr.write(f"There is no dead letter {name}; `pulse dead-letters list` names those there are.\n")
        raise typer.Exit(1)
    letter = found[0]
    shown = {**_described(letter), "key": _content(letter.key_bytes), "value": _content(letter.value_bytes)}
    if as_json:
        _print(shown)
        return
    for title, content in shown.items():
        typer.echo(f"{title:>12}  {content if isinstance(content, str) else orjson.dumps(content).decode()}")


@dead_letters.command("replay")
def replay(
    codes: Codes = None,
    topic: Topic = "",
    since: Since = "",
    names: Annotated[list[str] | None, typer.Option("--letter", help="Only this one. Repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go back.")] = False,
    again: Annotated[bool, typer.Option(help="Once more what has gone back before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put the original records back on their topics, each once. A second call puts none back.

    Do it after what refused them is mended. What was put back too early, and refused again, needs --again.
    """
    wanted = _wanted(codes, topic, since, names or ())
    letters = DeadLetters(load_settings())
    result = asyncio.run(letters.replay(wanted, dry_run=dry_run, again=again, on_progress=_progress))
    if as_json:
        _print({**msgspec.to_builtins(result), "dry_run": dry_run})
        return
    verb = "would go back" if dry_run else "put back"
    alone = f"; {result.already:,} letters left alone: put back before" if result.already else ""
    typer.echo(f"{result.replayed:,} records {verb}{alone}")
    for reason, count in result.kept.items():
        typer.echo(f"{count:,} stay: they {reason}" if count > 1 else f"1 stays: it {reason}")


async def _found(wanted: Wanted, limit: int) -> tuple[list[Letter], Counter[str]]:
    newest: list[Letter] = []
    counts: Counter[str] = Counter()
    async for letter in DeadLetters(load_settings()).find(wanted):
        counts[letter.code] += 1
        newest.append(letter)
        if len(newest) > 2 * limit:
            newest = _newest(newest, limit)
    return _newest(newest, limit), counts


def _newest(letters: list[Letter], limit: int) -> list[Letter]:
    return sorted(letters, key=lambda letter: letter.timestamp_ms)[-limit:]


def _progress(result: PutBack) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{result.replayed:,} records")


def _wanted(codes: list[str] | None, topic: str, since: str, names: Iterable[str] = ()) -> Wanted:
    places = frozenset(_place(name) for name in names)
    return Wanted(frozenset(codes or ()), topic, _since_ms(since), places)


def _place(name: str) -> tuple[str, int, int]:
    try:
        return place_of(name)
    except ValueError:
        raise typer.BadParameter(f"{name!r} is no letter; write topic/partition/offset") from None


def _since_ms(text: str) -> int:
    if not text:
        return 0
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return Clock.from_environment(os.environ).now_ms() - int(seconds_of(text) * 1000)
    if instant.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no zone; write it as 2026-11-21T08:00:00Z")
    return int(instant.timestamp() * 1000)


def _instant(letter: Letter) -> str:
    return datetime.fromtimestamp(letter.timestamp_ms / 1000, UTC).isoformat(timespec="seconds")


def _described(letter: Letter) -> dict[str, Any]:
    return {
        "letter": letter.name,
        "code": letter.code,
        "field": letter.field,
        "detail": letter.detail,
        "stage": letter.stage,
        "at": _instant(letter),
    }


def _content(data: bytes | None) -> str | dict[str, str] | None:
    """Text as text; other bytes in Base64, and said so."""
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _print(value: dict[str, Any]) -> None:
    typer.echo(orjson.dumps(value).decode())
