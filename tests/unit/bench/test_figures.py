"""The arithmetic of a comparison, against figures worked out by hand."""

import pytest

from tests.bench.figures import marginal_us, ratios, spread_us, warm_slope_us


def test_the_marginal_cost_is_the_difference_of_the_minima() -> None:
    short, long = (100_000, [1.3, 1.1, 1.2]), (600_000, [2.4, 2.1, 3.0])
    assert marginal_us(short, long) == pytest.approx(2.0)  # (2.1 - 1.1) s over 500,000 events


def test_without_a_valid_run_of_a_length_there_is_no_cost() -> None:
    assert marginal_us((1, []), (2, [1.0])) is None
    assert marginal_us((1, [1.0]), (2, [])) is None


def test_each_round_has_a_cost_of_its_own() -> None:
    assert spread_us((0, [1.0, 2.0]), (1_000_000, [3.0, 5.0, 9.0])) == pytest.approx([2.0, 3.0])


def test_the_warm_slope_leaves_start_and_end_out() -> None:
    # 50 us an event until half of it is done, 5 us then, and a long pause at the end.
    samples = [(done, done * 50e-6) for done in range(0, 50_000, 10_000)]
    samples += [(done, 2.5 + (done - 50_000) * 5e-6) for done in range(50_000, 97_000, 5_000)]
    assert warm_slope_us([*samples, (100_000, 60.0)], 100_000) == pytest.approx(5.0)


def test_looking_again_without_progress_changes_no_slope() -> None:
    moments = [(60_000, 1.0), (70_000, 2.0), (80_000, 3.0)]
    waited = [(60_000, 1.0), (60_000, 1.9), (70_000, 2.0), (70_000, 2.9), (80_000, 3.0)]
    assert warm_slope_us(waited, 100_000) == warm_slope_us(moments, 100_000) == pytest.approx(100.0)


def test_a_run_that_was_seen_too_rarely_has_no_slope() -> None:
    assert warm_slope_us([(0, 0.0), (60_000, 1.0), (90_000, 2.0), (100_000, 3.0)], 100_000) is None


def test_ratios_are_to_the_floor_and_to_ours() -> None:
    found = ratios({"floor": 0.8, "ours": 4.0, "slow": 400.0, "void": None}, "floor", "ours")
    assert found["slow"].floor == pytest.approx(500.0)
    assert found["slow"].ours == pytest.approx(100.0)
    assert (found["floor"].floor, found["ours"].ours) == (1.0, 1.0)
    assert (found["void"].floor, found["void"].ours) == (None, None)


def test_without_a_floor_there_are_no_ratios_to_it() -> None:
    found = ratios({"ours": 4.0, "floor": None}, "floor", "ours")
    assert (found["ours"].floor, found["ours"].ours) == (None, 1.0)
