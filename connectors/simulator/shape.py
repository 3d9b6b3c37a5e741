"""Hour-of-week shapes of delivery. Weights are relative; weekdays are per mille with the best day at 1000."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """`hours`: weight of each local hour; `weekdays`: Monday to Sunday, per mille of the best day."""

    hours: tuple[int, ...]
    weekdays: tuple[int, ...]

    @property
    def day_weight(self) -> int:
        return sum(self.hours)


RETAIL = Shape(
    (18, 12, 9, 8, 8, 10, 16, 26, 36, 44, 50, 54, 56, 54, 52, 52, 54, 58, 66, 74, 78, 70, 52, 32),
    (860, 850, 860, 880, 940, 1000, 980),
)
OFFICE = Shape(
    (8, 6, 5, 5, 6, 9, 18, 40, 70, 84, 88, 86, 74, 80, 84, 80, 70, 52, 34, 26, 22, 18, 14, 10),
    (980, 1000, 1000, 980, 920, 420, 400),
)
ROUND_THE_CLOCK = Shape(
    (40, 38, 37, 36, 36, 37, 39, 41, 43, 44, 45, 45, 46, 45, 45, 44, 44, 45, 46, 47, 47, 46, 44, 42),
    (980, 980, 980, 990, 1000, 1000, 990),
)
# Sixty per cent of the day's money goes before four in the morning.
FRONT_LOADED = Shape(
    (160, 150, 130, 110, 60, 50, 40, 30, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12),
    (1000, 1000, 1000, 1000, 1000, 1000, 1000),
)
SHAPES: dict[str, Shape] = {
    "retail": RETAIL,
    "office": OFFICE,
    "round_the_clock": ROUND_THE_CLOCK,
    "front_loaded": FRONT_LOADED,
}
