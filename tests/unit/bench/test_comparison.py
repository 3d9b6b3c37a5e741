"""What a comparison makes of its runs: a cost per event by the method that fits the system, or of whole runs."""

from typing import Any

import pytest

from tests.bench.comparison import Comparison, Measured, System, chosen, lengths_of
from tests.bench.peer_run import Run


def comparison(system: System, runs: list[Run], *, cold: int = 0) -> Comparison:
    made = Comparison([system], quick=False, rounds=1, campaigns=1, cold=cold, say=lambda _: None)
    made.measured.extend(Measured(1, 12.5, run) for run in runs)
    return made


def run(name: str, events: int, cpu_s: float, **more: Any) -> Run:
    return Run(name, events, cpu_s, wall_s=cpu_s, rss_mb=100.0, **{"void": "", **more})


def figure(made: Comparison) -> dict[str, Any]:
    return made.figures()[0]


def test_a_quick_starter_costs_the_difference_of_two_lengths() -> None:
    ours = chosen("ours")[0]
    short, long = lengths_of(ours, quick=False)
    found = figure(comparison(ours, [run("ours", short, 3.0), run("ours", long, 3.0 + 2e-6 * (long - short))]))
    assert found["cpu_us_per_event"] == pytest.approx(2.0)
    assert found["method"] == "difference of two lengths"


def test_a_jvm_costs_the_slope_of_its_warm_part() -> None:
    flink = chosen("flink_heap")[0]
    _, long = lengths_of(flink, quick=False)
    samples = [(long * share // 100, 30.0 + 4e-6 * long * share / 100) for share in (50, 60, 70, 90)]
    found = figure(comparison(flink, [run("flink_heap", long, 60.0, samples=samples)]))
    assert found["cpu_us_per_event"] == pytest.approx(4.0)
    assert found["method"] == "warm slope, 50 to 97 % of the run"


@pytest.mark.parametrize("name", ["ours", "flink_heap"])
def test_from_cold_everybody_runs_the_same_length_and_the_start_counts(name: str) -> None:
    system = chosen(name)[0]
    assert lengths_of(system, quick=False, cold=1_000) == (0, 1_000)
    found = figure(comparison(system, [run(name, 1_000, 0.5), run(name, 1_000, 0.4)], cold=1_000))
    assert found["cpu_us_per_event"] == pytest.approx(400.0)
    assert found["start_cpu_s"] is None
    assert found["method"] == "one whole run, start included"


def test_a_void_run_is_no_cost() -> None:
    ours = chosen("ours")[0]
    found = figure(comparison(ours, [run("ours", 1_000, 0.5, void="7 totals differ")], cold=1_000))
    assert found["cpu_us_per_event"] is None
    assert found["void"] == ["7 totals differ"]
