"""The curve by which conversions become known."""

from connectors.simulator.conversion_lag import CURVE, PER_MILLE, SETTLED_AFTER_MS, known_per_mille


def test_what_is_known_never_falls_with_age_and_is_everything_in_the_end() -> None:
    ages = range(-3_600_000, SETTLED_AFTER_MS + 3_600_000, 1_800_000)
    known = [known_per_mille(age) for age in ages]
    assert known == sorted(known)
    assert known_per_mille(SETTLED_AFTER_MS - 1) < PER_MILLE
    assert known_per_mille(SETTLED_AFTER_MS) == PER_MILLE


def test_the_curve_passes_through_its_corners() -> None:
    for age_ms, per_mille in CURVE:
        assert known_per_mille(age_ms) == per_mille
