"""`pulse verify`: recount the totals from the stored raw records, and compare."""

import sys
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from agents.cli.durations import seconds_of
from connectors.clickhouse.verify import Verdict
from connectors.clickhouse.verify import verify as recount
from connectors.settings import load_settings


def verify(
    wait: Annotated[
        str, typer.Option(help="How long totals that differ may take to settle while the system runs: 10s, 1m.")
    ] = "10s",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Count every total again in SQL from the raw records. Exit 1 when anything is lost, doubled or different."""
    settings = load_settings()
    console = Console(stderr=True)
    with console.status("reading") as status:
        verdict = recount(settings, wait_s=seconds_of(wait), say=status.update)
    if as_json:
        sys.stdout.write(orjson.dumps(verdict.as_dict()).decode() + "\n")
    else:
        _show(verdict, Console())
    raise typer.Exit(0 if verdict.ok else 1)


def _show(verdict: Verdict, console: Console) -> None:
    figures = Table(title="Recount from raw records", title_justify="left", show_header=False)
    figures.add_column()
    figures.add_column(justify="right")
    for name, value in verdict.as_dict().items():
        if name not in {"differences", "ok"}:
            figures.add_row(name.replace("_", " "), f"{value:,}")
    console.print(figures)
    if verdict.differences:
        table = Table(title=f"The first {len(verdict.differences)} differences", title_justify="left")
        for name in ("total", "measure"):
            table.add_column(name, overflow="fold")
        for name in ("expected", "found"):
            table.add_column(name, justify="right")
        for each in verdict.differences:
            table.add_row(each.total_id, each.measure, _text(each.expected), _text(each.found))
        console.print(table)
    console.print("every total is what the raw records make" if verdict.ok else "totals differ from the raw records")


def _text(value: int | None) -> str:
    return "none" if value is None else f"{value:,}"
