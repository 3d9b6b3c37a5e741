"""The arithmetic of a comparison: what one event costs, and how often the floor that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import linear_regression

WARM_FROM, WARM_TO = 0.50, 0.97
MIN_POINTS = 3

Sample = tuple[int, float]  # (events so far, CPU seconds so far)


def marginal_us(short: tuple[int, Sequence[float]], long: tuple[int, Sequence[float]]) -> float | None:
    """CPU microseconds per event between two lengths, each (events, CPU seconds of its runs).

    Out of the minima, since noise only adds. None when a length has no valid run.
    """
    (few, cpu_few), (many, cpu_many) = short, long
    if not cpu_few or not cpu_many:
        return None
    return (min(cpu_many) - min(cpu_few)) / (many - few) * 1e6


def warm_slope_us(samples: Sequence[Sample], events: int) -> float | None:
    """CPU microseconds per event while between 50 and 97 % were done: least squares over the moments of progress.

    Samples without progress since the one before are left out: they say when we looked, not what was done.
    None with fewer than three moments in that part of the run.
    """
    moments: list[Sample] = []
    for done, cpu_s in samples:
        if WARM_FROM * events <= done <= WARM_TO * events and (not moments or done > moments[-1][0]):
            moments.append((done, cpu_s))
    if len(moments) < MIN_POINTS:
        return None
    return linear_regression([done for done, _ in moments], [cpu_s for _, cpu_s in moments]).slope * 1e6


@dataclass(frozen=True, slots=True)
class Ratios:
    """How many times the cost of the floor, and of ours; None where there is nothing to divide."""

    floor: float | None
    ours: float | None


def ratios(costs: Mapping[str, float | None], floor: str, ours: str) -> dict[str, Ratios]:
    """By name of the system, out of cost per event by name."""
    return {
        name: Ratios(_quotient(cost, costs.get(floor)), _quotient(cost, costs.get(ours)))
        for name, cost in costs.items()
    }


def _quotient(cost: float | None, base: float | None) -> float | None:
    return cost / base if cost is not None and base is not None and base > 0 else None


def spread_us(short: tuple[int, Sequence[float]], long: tuple[int, Sequence[float]]) -> list[float]:
    """The same of each round by itself, to see how far they scatter; as many as there are pairs."""
    (few, cpu_few), (many, cpu_many) = short, long
    return [(more - less) / (many - few) * 1e6 for less, more in zip(cpu_few, cpu_many, strict=False)]
