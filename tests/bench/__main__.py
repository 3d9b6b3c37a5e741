"""Our program and its peers on the same data and the same broker, in turns.

usage: pulse bench [--quick] [--rounds N] [--only NAME,...] [--campaigns N] [--cold EVENTS] [--json]; python -m
tests.bench takes --out FOLDER as well
"""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from tests.bench.comparison import Comparison, as_text, chosen
from tests.bench.table import notes, table

ROUNDS, QUICK_ROUNDS = 3, 1
CAMPAIGNS = 1_000


def main() -> None:
    arguments = _arguments()
    console = Console(stderr=True)
    try:
        systems = chosen(arguments.only)
    except ValueError as unknown:
        raise SystemExit(f"bench: {unknown}") from None
    comparison = Comparison(
        systems,
        quick=arguments.quick,
        rounds=arguments.rounds or (QUICK_ROUNDS if arguments.quick else ROUNDS),
        campaigns=arguments.campaigns,
        cold=arguments.cold,
        say=lambda line: console.print(line, style="dim", markup=False, highlight=False),
    )
    found = comparison.measure()
    found["command"] = _command(arguments)
    arguments.out.mkdir(parents=True, exist_ok=True)
    moment = datetime.now(UTC)
    path = arguments.out / f"comparison-{moment:%Y%m%d-%H%M%S}.json"
    path.write_text(as_text(found))
    console.print(table(found))
    for note in notes(found["systems"]):
        console.print(f"- {note}", markup=False, highlight=False)
    console.print(f"every run is in {path}", markup=False, highlight=False)
    plot_path = _plot(found, path.with_suffix(".png"))
    if plot_path:
        console.print(f"picture: {plot_path}", markup=False, highlight=False)
    if arguments.json:
        sys.stdout.write(json.dumps(found) + "\n")
    if any(system["void"] for system in found["systems"]):
        raise SystemExit(1)


def _command(arguments: argparse.Namespace) -> str:
    """What measures the same again; where the artefact went is nobody else's business."""
    parts = ["pulse bench"]
    parts += ["--quick" if arguments.quick else ""]
    parts += [f"--rounds {arguments.rounds}" if arguments.rounds else ""]
    parts += [f"--only {arguments.only}" if arguments.only else ""]
    parts += [f"--campaigns {arguments.campaigns}" if arguments.campaigns != CAMPAIGNS else ""]
    parts += [f"--cold {arguments.cold}" if arguments.cold else ""]
    return " ".join(filter(None, parts))


def _plot(found: dict[str, object], path: Path) -> Path | None:
    try:
        from tests.bench.plot import plot
    except ImportError:
        return None  # the picture is for people; matplotlib is a development dependency
    return plot(found, path)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pulse bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="short lengths, one round: minutes instead of half an hour"
    )
    parser.add_argument(
        "--rounds", type=int, default=0, help=f"every system so many times ({ROUNDS}; quick {QUICK_ROUNDS})"
    )
    parser.add_argument("--only", default="", help="these systems, separated by commas")
    parser.add_argument("--campaigns", type=int, default=CAMPAIGNS, help=f"over so many campaigns ({CAMPAIGNS:,})")
    parser.add_argument(
        "--cold", type=int, default=0, help="one run of so many events for everybody, its whole cost with the start"
    )
    parser.add_argument("--out", type=Path, default=Path(".pulse/bench"), help="folder of the artefact (.pulse/bench)")
    parser.add_argument("--json", action="store_true", help="the whole artefact on stdout")
    return parser.parse_args()


if __name__ == "__main__":
    main()
