"""The one table of a comparison, for a terminal and for Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

COLUMNS = ("system", "CPU µs per event", "× the C floor", "× ours", "start, CPU s", "totals equal")


def table(found: Mapping[str, Any]) -> Table:
    """For people at a terminal."""
    drawn = Table(title=caption(found), title_justify="left")
    for number, name in enumerate(COLUMNS):
        drawn.add_column(name, justify="right" if 0 < number < 5 else "left")
    for cells in rows(found["systems"]):
        drawn.add_row(*cells)
    return drawn


def markdown(found: Mapping[str, Any]) -> str:
    """The same, for a document."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|" + "---:|" * 4 + "---|"]
    return "\n".join([*lines, *("| " + " | ".join(cells) + " |" for cells in rows(found["systems"]))])


def caption(found: Mapping[str, Any]) -> str:
    return (
        f"CPU of the whole process tree{', start included' if found.get('cold') else ''}, "
        f"{found['campaigns']:,} campaigns, {found['partitions']} partitions, "
        f"{rounds_of(found)}, {found['day']}"
    )


def rounds_of(found: Mapping[str, Any]) -> str:
    return "1 round" if found["rounds"] == 1 else f"{found['rounds']} rounds"


def rows(systems: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Cheapest first; what could not run comes last, with the reason instead of figures."""
    return [_row(system) for system in sorted(systems, key=_place)]


def _place(system: Mapping[str, Any]) -> tuple[bool, float]:
    cost = system["cpu_us_per_event"]
    return cost is None, cost if cost is not None else 0.0


def _row(system: Mapping[str, Any]) -> tuple[str, ...]:
    title = f"{system['title']}, {system['version']}"
    if system["missing"]:
        return title, "-", "-", "-", "-", "not run"
    void = len(system["void"])
    equal = "yes" if not void else f"no: {void} of {system['runs']} runs void"
    return (
        title,
        number(system["cpu_us_per_event"]),
        number(system["times_floor"]),
        number(system["times_ours"]),
        number(system["start_cpu_s"]),
        equal,
    )


def notes(systems: Sequence[Mapping[str, Any]]) -> list[str]:
    """What differs from the plain job, what was left out and why, and what made runs void; in the table's order."""
    found = []
    for system in sorted(systems, key=_place):
        said = [f"left out, {system['missing']}" if system["missing"] else "", system["note"]]
        said += [f"void: {reason}" for reason in system["void"][:1]]
        found.append(f"{system['title']}: {'; '.join(filter(None, said))}")
    return found


def number(value: float | None) -> str:
    """Three significant figures, `-` for none."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def short_markdown(found: Mapping[str, Any]) -> str:
    """What ran and what it costs, without the rest."""
    lines = ["| system | CPU µs per event | events per CPU second |", "|---|---:|---:|"]
    for system in sorted(found["systems"], key=_place):
        cost = system["cpu_us_per_event"]
        if cost is not None and not system["void"]:
            per_s = f"{float(f'{1e6 / cost:.2g}'):,.0f}"
            lines.append(f"| {system['title']}, {system['version']} | {number(cost)} | {per_s} |")
    return "\n".join(lines)
