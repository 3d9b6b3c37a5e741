"""The table of a comparison: order, figures, and that what did not run says so."""

import io
from typing import Any

import pytest
from rich.console import Console

from tests.bench.table import markdown, notes, number, short_markdown, table


def system(name: str, cost: float | None, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name,
        "title": name.title(),
        "version": "1.2",
        "note": f"{name} differs",
        "cpu_us_per_event": cost,
        "times_floor": None if cost is None else cost / 0.5,
        "times_ours": None,
        "start_cpu_s": 0.25,
        "runs": 4,
        "void": [],
        "missing": "",
    }
    return {**row, **more}


FOUND: dict[str, Any] = {
    "campaigns": 1000,
    "partitions": 4,
    "rounds": 2,
    "day": "2026-11-21 12:00 UTC",
    "systems": [
        system("slow", 512.4),
        system("absent", None, missing="no gcc here"),
        system("floor", 0.5),
        system("wrong", 3.0, void=["7 totals differ"], runs=4),
    ],
}


def test_the_cheapest_comes_first_and_what_did_not_run_last() -> None:
    lines = markdown(FOUND).splitlines()[2:]
    assert [line.split("|")[1].strip() for line in lines] == ["Floor, 1.2", "Wrong, 1.2", "Slow, 1.2", "Absent, 1.2"]
    assert lines[2] == "| Slow, 1.2 | 512 | 1025 | - | 0.25 | yes |"


def test_a_missing_peer_is_never_a_passed_one() -> None:
    assert markdown(FOUND).splitlines()[-1] == "| Absent, 1.2 | - | - | - | - | not run |"
    assert "Absent: left out, no gcc here; absent differs" in notes(FOUND["systems"])


def test_void_runs_are_counted_and_explained() -> None:
    assert "no: 1 of 4 runs void" in markdown(FOUND)
    assert "Wrong: wrong differs; void: 7 totals differ" in notes(FOUND["systems"])


def test_the_short_table_has_only_what_ran_and_was_right() -> None:
    lines = short_markdown(FOUND).splitlines()
    assert lines[2:] == ["| Floor, 1.2 | 0.50 | 2,000,000 |", "| Slow, 1.2 | 512 | 2,000 |"]


def test_the_terminal_gets_the_same_cells() -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(table(FOUND))
    drawn = console.export_text()
    assert all(text in drawn for text in ("1,000 campaigns", "Floor, 1.2", "512", "no: 1 of 4 runs void", "not run"))


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.666, "0.67"), (9.994, "9.99"), (17.26, "17.3"), (518.4, "518")]
)
def test_three_figures_are_enough(value: float | None, text: str) -> None:
    assert number(value) == text
