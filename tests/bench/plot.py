"""The comparison as a picture: one bar per system, logarithmic."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter

from tests.bench.table import number

OURS_COLOUR, PEER_COLOUR, FLOOR_COLOUR = "#c2410c", "#64748b", "#0f766e"
BAR_INCHES, WIDTH_INCHES, DOTS_PER_INCH = 0.42, 10.0, 140


def plot(found: Mapping[str, Any], path: Path) -> Path | None:
    """Writes a PNG or SVG, by the name; None when no system has a cost."""
    systems = [system for system in found["systems"] if system["cpu_us_per_event"]]
    if not systems:
        return None
    systems.sort(key=lambda system: system["cpu_us_per_event"], reverse=True)  # the cheapest on top
    costs = [system["cpu_us_per_event"] for system in systems]
    figure, axes = plt.subplots(figsize=(WIDTH_INCHES, 1.5 + BAR_INCHES * len(systems)), layout="constrained")
    bars = axes.barh([_label(system) for system in systems], costs, color=[_colour(system) for system in systems])
    axes.bar_label(bars, [_text(system) for system in systems], padding=4, fontsize=9)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(min(costs) / 2, max(costs) * 6)
    axes.set_xlabel("CPU microseconds per event, whole process tree (logarithmic; shorter is better)")
    axes.set_title(
        f"321-byte events to totals{', start included' if found.get('cold') else ''}, "
        f"{found['campaigns']:,} campaigns, real Kafka, {found['day'][:10]}\n"
        f"{found['machine']['cpu']}, {found['machine']['cores']} cores; in brackets: times the C floor",
        loc="left",
        fontsize=10,
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
    return path


def _label(system: Mapping[str, Any]) -> str:
    whole = "" if system["plain_job"] else " (whole job)"
    return f"{system['title']}{whole}"


def _text(system: Mapping[str, Any]) -> str:
    times = system["times_floor"]
    return number(system["cpu_us_per_event"]) + (f"  (× {number(times)})" if times is not None else "")


def _colour(system: Mapping[str, Any]) -> str:
    return FLOOR_COLOUR if system["kind"] == "c" else OURS_COLOUR if system["kind"] == "ours" else PEER_COLOUR
