"""`pulse chaos`: hurt a real system on purpose and prove that nothing is lost, doubled or changed."""

import importlib
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

CHECKOUT = Path(__file__).resolve().parents[2]

chaos = typer.Typer(help="Fault scenarios over a system of their own.", no_args_is_help=True)


@chaos.command("list")
def list_scenarios(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False
) -> None:
    """The scenarios, and how long each runs."""
    scenarios = _harness("registry").SCENARIOS
    if as_json:
        listed = [
            {
                "code": each.code,
                "title": each.title,
                **{form: _plan(getattr(each, form)) for form in ("short", "full")},
            }
            for each in scenarios
        ]
        sys.stdout.write(orjson.dumps({"scenarios": listed}).decode() + "\n")
        return
    table = Table(title="Fault scenarios", title_justify="left")
    for name in ("code", "what happens", "short: events/s x s", "full: events/s x s"):
        table.add_column(name, justify="right" if "x" in name else "left")
    for each in scenarios:
        lengths = [f"{plan.per_s:,.0f} x {plan.seconds:,.0f}" for plan in (each.short, each.full)]
        table.add_row(each.code, each.title, *lengths)
    Console().print(table)


@chaos.command("run")
def run(
    codes: Annotated[list[str], typer.Argument(help="F1 F4 ...: one after the other, each over a system of its own.")],
    *,
    full: Annotated[bool, typer.Option("--full", help="The long form; without, the short one.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed is the same load and the same victims.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a scenario on stdout.")] = False,
    keep: Annotated[Path | None, typer.Option(help="Keep data and logs in this new folder.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the JSON objects to this file as well.")] = None,
) -> None:
    """Run scenarios and judge them. Exit 1 when anything is lost, doubled, different, or else not as it must be."""
    known = {each.code: each for each in _harness("registry").SCENARIOS}
    unknown = [code for code in codes if code.upper() not in known]
    if unknown:
        raise typer.BadParameter(f"there is no {', '.join(unknown)}; `pulse chaos list` shows what there is")
    console = Console(stderr=True)
    results: list[Any] = []
    for code in codes:
        with _folder(keep, code.upper()) as directory:
            found = _harness("run").run(
                [known[code.upper()]],
                directory=directory,
                full=full,
                seed=seed,
                say=lambda line: console.print(line, highlight=False),
            )
        results.append(found)
        line = orjson.dumps(found.as_dict(), option=orjson.OPT_NON_STR_KEYS).decode()
        sys.stdout.write(f"{line if as_json else found.words()}\n")
        sys.stdout.flush()
        if report is not None:
            with report.open("a") as file:
                file.write(line + "\n")
    raise typer.Exit(0 if all(found.ok for found in results) else 1)


@contextmanager
def _folder(keep: Path | None, code: str) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="pulse-chaos-", ignore_cleanup_errors=True) as directory:
            yield Path(directory)
    else:
        folder = keep.absolute() / code
        if folder.exists():
            raise typer.BadParameter(f"{folder} is there already", param_hint="--keep")
        folder.mkdir(parents=True)
        yield folder


def _plan(plan: Any) -> dict[str, float]:
    return {"per_s": plan.per_s, "seconds": plan.seconds, "times": plan.times, "pause_s": plan.pause_s}


def _harness(module: str) -> Any:
    """The harness starts whole systems and hurts them: it lives with the tests. Raises Misconfigured without them."""
    if not (CHECKOUT / "tests" / "chaos" / "registry.py").exists():
        raise Misconfigured(
            MisconfiguredCode.MISSING_PART,
            "The fault scenarios are part of the tests, which are not installed; "
            "run `pulse chaos` from a checkout, with `pip install -e .[dev]`.",
        )
    if str(CHECKOUT) not in sys.path:
        sys.path.insert(0, str(CHECKOUT))
    return importlib.import_module(f"tests.chaos.{module}")
