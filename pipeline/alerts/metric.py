"""The metrics a rule may name: how each is computed from sums, and how sure a figure of it can be."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from types import MappingProxyType

from pipeline.alerts.series import CLICKS, CONVERSIONS, IMPRESSIONS, REVENUE, SPEND
from schemas.measures import MICROS
from schemas.rule import MetricName


class Unit(StrEnum):
    PERCENT = "percent"
    MONEY = "money"
    RATIO = "ratio"
    COUNT = "count"


class Nature(StrEnum):
    """What chance does to the figure when nothing has changed."""

    SUM = "sum"  # grows with the events behind it: relative error 1/sqrt(expected events)
    PROPORTION = "proportion"  # so many of so many: binomial
    PER_EVENT = "per_event"  # an amount per event: relative error 1/sqrt(events)


@dataclass(frozen=True, slots=True)
class Metric:
    """Published value = numerator * multiply / (denominator * divide). `events`: the column whose count carries the
    chance, in units of `event_unit`."""

    name: str
    label: str
    unit: Unit
    nature: Nature
    numerator: int
    denominator: int | None
    multiply: int
    divide: int
    events: int
    event_unit: int = 1

    def parts(self, columns: Sequence[Sequence[int]], index: int) -> tuple[int, int]:
        """Numerator and denominator of one window; 1 where the metric has no denominator."""
        denominator = self.denominator
        return columns[self.numerator][index], 1 if denominator is None else columns[denominator][index]

    def value(self, numerator: int, denominator: int) -> float | None:
        """None for a zero denominator."""
        return numerator * self.multiply / (denominator * self.divide) if denominator else None

    def uncertainty(self, expected: float, *, denominator: int, events: float) -> float:
        """Standard deviation by chance alone around `expected`, in the metric's unit.

        `events`: of the window judged for a rate, expected ones for a sum; at least one is assumed.
        """
        events = max(events, 1.0)
        if self.nature is Nature.PROPORTION:
            share = min(max(expected / 100, 0.0), 0.95)
            return 100 * sqrt(max(share * (1 - share), 1 / max(denominator, 1)) / max(denominator, 1))
        if self.nature is Nature.SUM and expected <= 0:
            return self.multiply * self.event_unit / self.divide
        return abs(expected) / sqrt(events)


def _sum(
    name: MetricName, label: str, unit: Unit, column: int, divide: int, events: int, event_unit: int = 1
) -> Metric:
    return Metric(name, label, unit, Nature.SUM, column, None, 1, divide, events, event_unit)


_M = MetricName
METRICS: MappingProxyType[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            _sum(_M.SPEND, "Spend", Unit.MONEY, SPEND, MICROS, CLICKS),
            _sum(_M.IMPRESSIONS, "Impressions", Unit.COUNT, IMPRESSIONS, 1, IMPRESSIONS),
            _sum(_M.CLICKS, "Clicks", Unit.COUNT, CLICKS, 1, CLICKS),
            _sum(_M.CONVERSIONS, "Conversions", Unit.COUNT, CONVERSIONS, MICROS, CONVERSIONS, MICROS),
            _sum(_M.REVENUE, "Revenue", Unit.MONEY, REVENUE, MICROS, CONVERSIONS, MICROS),
            Metric(_M.CTR, "CTR", Unit.PERCENT, Nature.PROPORTION, CLICKS, IMPRESSIONS, 100, 1, IMPRESSIONS),
            Metric(_M.CVR, "CVR", Unit.PERCENT, Nature.PROPORTION, CONVERSIONS, CLICKS, 100, MICROS, CLICKS),
            Metric(_M.CPC, "CPC", Unit.MONEY, Nature.PER_EVENT, SPEND, CLICKS, 1, MICROS, CLICKS),
            Metric(_M.CPM, "CPM", Unit.MONEY, Nature.PER_EVENT, SPEND, IMPRESSIONS, 1000, MICROS, CLICKS),
            Metric(_M.CPA, "CPA", Unit.MONEY, Nature.PER_EVENT, SPEND, CONVERSIONS, 1, 1, CONVERSIONS, MICROS),
            Metric(_M.ROAS, "ROAS", Unit.RATIO, Nature.PER_EVENT, REVENUE, SPEND, 1, 1, CONVERSIONS, MICROS),
        )
    }
)
