"""A metric below or above a fixed limit, over the last hours together."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from pipeline.alerts.metric import METRICS, Metric
from pipeline.alerts.rule import Finding, Verdict, volume_columns
from pipeline.alerts.series import END, SPEND, Series
from schemas.rule import MetricName, ThresholdRule

HOUR_MS = 3_600_000


def exact(limit: float) -> Fraction:
    """The limit as it is written: 0.1 is a tenth."""
    return Fraction(repr(limit))


@dataclass(frozen=True, slots=True)
class Threshold:
    """Sums numerator and denominator over the windows that end within `span_h`, then compares exactly.

    At risk: for CPC, CPM and CPA what was paid above the limit; for ROAS the spend that revenue at the limit would not
    have needed; for spend what is above the limit; else all that was spent in the span.
    """

    rule: ThresholdRule
    metric: Metric
    limit: Fraction
    clear: Fraction
    is_below: bool
    volume: tuple[tuple[int, int], ...]
    inputs: frozenset[int]
    sticky: ClassVar[bool] = False

    @classmethod
    def of(cls, rule: ThresholdRule) -> "Threshold":
        metric = METRICS[rule.metric]
        is_below = rule.below is not None
        limit = exact(rule.below if rule.below is not None else rule.above or 0.0)
        volume = tuple(volume_columns(rule.min_volume).items())
        columns = {metric.numerator, SPEND, *(column for column, _ in volume)}
        if metric.denominator is not None:
            columns.add(metric.denominator)
        clear = limit if rule.resolve is None else exact(rule.resolve)
        return cls(rule, metric, limit, clear, is_below, volume, frozenset(columns))

    def judge(self, series: Series, index: int, codes: bytearray) -> Finding:
        columns, metric = series.columns, self.metric
        ends = columns[END]
        after = ends[index] - self.rule.span_h * HOUR_MS
        first = index
        while first > 0 and ends[first - 1] > after:
            first -= 1
        span = slice(first, index + 1)
        numerator = sum(columns[metric.numerator][span])
        denominator = 1 if metric.denominator is None else sum(columns[metric.denominator][span])
        observed = metric.value(numerator, denominator)
        shown_denominator = None if metric.denominator is None else denominator
        limit = float(self.limit)
        if denominator <= 0 or any(sum(columns[column][span]) < least for column, least in self.volume):
            return Finding(Verdict.NOT_ENOUGH_DATA, observed, limit, numerator, shown_denominator)
        scaled, per = numerator * metric.multiply, denominator * metric.divide
        verdict = self._verdict(scaled, per)
        spend = sum(columns[SPEND][span])
        return Finding(
            verdict,
            observed,
            limit,
            numerator,
            shown_denominator,
            direction=-1 if self.is_below else 1,
            spend_at_risk_micros=self._at_risk(spend, numerator, denominator) if verdict is Verdict.FIRING else 0,
        )

    def _verdict(self, scaled: int, per: int) -> Verdict:
        sign = 1 if self.is_below else -1

        def beyond(limit: Fraction) -> bool:
            return sign * scaled * limit.denominator < sign * limit.numerator * per

        if beyond(self.limit):
            return Verdict.FIRING
        return Verdict.HOLDING if beyond(self.clear) else Verdict.QUIET

    def _at_risk(self, spend: int, numerator: int, denominator: int) -> int:
        metric, limit = self.metric, self.limit
        if metric.name == MetricName.ROAS:
            return max(0, spend - (int(numerator / limit) if limit else 0))
        if metric.numerator == SPEND and not self.is_below:
            allowed = limit * denominator * metric.divide / metric.multiply
            return max(0, spend - int(allowed))
        return spend
