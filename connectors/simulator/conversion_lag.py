"""How much of an hour's conversions is known after a while: attribution books them on the hour of the click."""

from itertools import pairwise

from connectors.simulator.calendar import HOUR_MS

PER_MILLE = 1000
# (age since the hour began, per mille known); straight lines between. Everything is in after seven days.
CURVE: tuple[tuple[int, int], ...] = (
    (0, 400),
    (2 * HOUR_MS, 520),
    (6 * HOUR_MS, 640),
    (24 * HOUR_MS, 800),
    (48 * HOUR_MS, 890),
    (96 * HOUR_MS, 960),
    (168 * HOUR_MS, PER_MILLE),
)
SETTLED_AFTER_MS = CURVE[-1][0]


def known_per_mille(age_ms: int) -> int:
    """Per mille of the final conversions that are visible `age_ms` after the hour began; never falls with age."""
    if age_ms >= SETTLED_AFTER_MS:
        return PER_MILLE
    for (from_ms, low), (until_ms, high) in pairwise(CURVE):
        if age_ms < until_ms:
            return low + (high - low) * max(0, age_ms - from_ms) // (until_ms - from_ms)
    return PER_MILLE
