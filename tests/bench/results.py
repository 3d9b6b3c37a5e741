"""Writes what was measured into the documents: a part of RESULTS.md, one table of the README, a picture.

usage: python -m tests.bench.results .pulse/bench/comparison-….json

Only what stands between the markers is replaced. The artefact itself is kept as results/comparison.json.
"""

import json
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.comparison import as_text
from tests.bench.plot import plot
from tests.bench.table import markdown, notes, rounds_of, short_markdown

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parents[1]
KEPT = BENCH / "results" / "comparison.json"
PICTURE = BENCH / "results" / "comparison.png"
MARK = "comparison"
WIDTH = 140


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit((__doc__ or "").split("\n\n")[1])
    found = json.loads(Path(sys.argv[1]).read_text())
    if found.get("measure") != "comparison":
        raise SystemExit(f"{sys.argv[1]} is not an artefact of `pulse bench`")
    if found.get("cold"):
        raise SystemExit(f"{sys.argv[1]} has whole runs with their start; the documents tell what comes after it")
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(as_text(found))
    plot(found, PICTURE)
    for document, part in ((BENCH / "RESULTS.md", results_part(found)), (ROOT / "README.md", readme_part(found))):
        document.write_text(replaced(document.read_text(), part, document.name))
        sys.stdout.write(f"{document.relative_to(ROOT)} is written\n")


def replaced(document: str, part: str, name: str) -> str:
    """The document with another text between its markers. SystemExit when it has none."""
    begin, end = f"<!-- {MARK}: written by tests.bench.results -->", f"<!-- /{MARK} -->"
    before, found_begin, rest = document.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise SystemExit(f"{name} has no {begin} … {end}")
    return f"{before}{begin}\n{part.strip()}\n{end}{after}"


def results_part(found: Mapping[str, Any]) -> str:
    """Table, what differs, and everything needed to repeat it."""
    machine, mood = found["machine"], found["calibration_ms"]
    ran = (
        f"`{found['command']}`, {found['day']}, {rounds_of(found)} in turns, {found['took_s'] // 60} minutes. "
        f"Machine: {machine['cpu']}, {machine['cores']} cores{' (virtual)' if machine['virtual'] else ''}, "
        f"{machine['memory_gib']} GiB, {machine['system']}, {found['versions']['java']}, "
        f"Python {found['versions']['python']}. The broker shares the cores; its time does not count."
    )
    job = (
        f"321-byte JSON events keyed by campaign, {found['campaigns']:,} campaigns, {found['partitions']} partitions, "
        "batches of 128 KB, not compressed, to totals of a minute per campaign; changed totals published, committed. "
        "CPU of the whole process tree. C and Python: difference of two lengths, out of the minima of the rounds. "
        "JVMs: slope within the run from 50 to 97 % of its events, when the code is compiled. A run whose totals "
        "differ from the recount of the data is void. How fast the machine was meanwhile (a fixed piece of Python"
        f" before each run): {mood['least']} to {mood['most']} ms. Differences below 20 % are noise."
    )
    data = ", ".join(f"{int(events):,} `{digest[:16]}`" for events, digest in found["data"].items())
    kept = f"Every run is in [results/{KEPT.name}](results/{KEPT.name}). Data, events and SHA-256: {data}."
    return "\n\n".join(
        [
            textwrap.fill(ran, WIDTH),
            textwrap.fill(job, WIDTH),
            markdown(found),
            f"![CPU per event](results/{PICTURE.name})",
            "\n".join(f"- {note}" for note in notes(found["systems"])),
            textwrap.fill(kept, WIDTH, break_long_words=False, break_on_hyphens=False),
        ]
    )


def readme_part(found: Mapping[str, Any]) -> str:
    """What it costs, and where the rest is."""
    machine = found["machine"]
    rest = (
        f"CPU of the whole process tree on a real broker, {found['day'][:10]}, {machine['cpu']}, {machine['cores']}"
        " cores. `pulse bench` measures it again; method and notes are in"
        " [tests/bench/RESULTS.md](tests/bench/RESULTS.md)."
    )
    return f"{short_markdown(found)}\n\n{textwrap.fill(rest, WIDTH)}"


if __name__ == "__main__":
    main()
