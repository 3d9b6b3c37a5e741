"""`pulse bench`: measure this program and its peers, from a checkout."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

CHECKOUT = Path(__file__).resolve().parents[2]


def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Short lengths, one round: a few minutes.")] = False,
    rounds: Annotated[int, typer.Option(min=0, help="Every system so many times; 0: 3, with --quick 1.")] = 0,
    only: Annotated[str, typer.Option(help="Only these systems, separated by commas.")] = "",
    campaigns: Annotated[int, typer.Option(min=1, help="Over so many campaigns.")] = 1_000,
    cold: Annotated[int, typer.Option(min=0, help="One run of so many events for everybody, start included.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="The whole artefact, one JSON object on stdout.")] = False,
) -> None:
    """Measure CPU per event of this program and its peers on the same data. Exit 1 when a run is void."""
    if not (CHECKOUT / "tests" / "bench" / "__main__.py").exists():
        raise Misconfigured(
            MisconfiguredCode.MISSING_PART,
            "The bench is part of the source checkout, and this is an installed package; run it from a checkout.",
        )
    options = ["--quick"] * quick + ["--json"] * as_json + (["--only", only] if only else [])
    options += ["--rounds", str(rounds), "--campaigns", str(campaigns), "--cold", str(cold)]
    ended = subprocess.run([sys.executable, "-m", "tests.bench", *options], cwd=CHECKOUT, check=False)
    raise typer.Exit(ended.returncode)
