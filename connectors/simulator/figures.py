"""What a report says about one entity in one period: counts, micros of money, micros of a conversion."""

from typing import NamedTuple


class Figures(NamedTuple):
    """Additive. `*_micros` of money are 1e-6 of the account's currency; of conversions 1e-6 of one conversion."""

    impressions: int = 0
    clicks: int = 0
    cost_micros: int = 0
    conversions_micros: int = 0
    value_micros: int = 0
    view_through: int = 0
    video_views: int = 0

    def plus(self, other: "Figures") -> "Figures":
        return Figures(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def share(self, part: int, whole: int) -> "Figures":
        """The `part / whole` of every measure, rounded down, so that shares never add up to more than the whole."""
        return Figures(*(value * part // whole for value in self))


NOTHING = Figures()


def total(parts: "list[Figures]") -> Figures:
    return Figures(*(sum(column) for column in zip(*parts, strict=True))) if parts else NOTHING
