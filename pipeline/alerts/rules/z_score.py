"""A window outside of what the campaign's own recent windows lead one to expect."""

from dataclasses import dataclass
from math import exp, isfinite, log
from typing import ClassVar

from pipeline.alerts.metric import METRICS, Metric, Nature
from pipeline.alerts.rule import (
    DOWN,
    DOWN_AT_ONCE,
    FIRST_FIRING,
    NEW_LEVEL,
    UP,
    UP_AT_ONCE,
    Finding,
    Verdict,
    volume_columns,
)
from pipeline.alerts.series import SPEND, START, Series
from schemas.rule import AnomalyRule, Direction

HOUR_MS = 3_600_000
LARGEST_EXPONENT = 50.0
MAD_TO_SIGMA = 1.4826  # for a normal distribution, sigma = 1.4826 * MAD
BASELINE_DAYS = 14
SAME_HOURS = 7  # with so many days known, an hour is compared with the same hour of other days
RECENT_LEAST, RECENT_MOST = 72, 120  # before that, with the last hours of any time of day; three days hold a weekday
LEVEL_LEAST = 24  # after a change of level
# They know too little of the shape of days and weeks: only figures far beyond anything seen are news.
EARLY_ABOVE, EARLY_BELOW = 1.5, 0.3
SMALL_SAMPLE = 2.0  # the MAD of few values is too small too often: of 7 take a quarter more, of 14 a seventh
HULL_SPREADS = 1.0  # a value must also be this far outside of everything in the baseline: weekends are in it too
LEVEL_WINDOWS, LEVEL_SHARE = 24, 0.75  # so many of the last day's windows off to one side: that is the level now


@dataclass(frozen=True, slots=True)
class Baseline:
    values: tuple[float, ...]  # ascending
    events: float  # median count of the events that carry the chance
    same_hour: bool


@dataclass(frozen=True, slots=True)
class ZScore:
    """score = (x - median) / spread; spread = max(1.4826 MAD, floor_percent of the median, error by chance of x).

    Fires outside of [median - sigma * spread, median + sigma * spread] widened by what the baseline holds anyway.
    Windows judged anomalous are left out of later baselines, until three quarters of a day of them say that the
    level has changed; then the baseline starts with them. Source of median/MAD: Iglewicz & Hoaglin (1993).
    At risk: for spend and costs per event what was paid above the expected, else all that was spent in the window.
    """

    rule: AnomalyRule
    metric: Metric
    volume: tuple[tuple[int, int], ...]
    inputs: frozenset[int]
    sticky: ClassVar[bool] = True

    @classmethod
    def of(cls, rule: AnomalyRule) -> "ZScore":
        metric = METRICS[rule.metric]
        volume = tuple(volume_columns(rule.min_volume).items())
        columns = {metric.numerator, metric.events, *(column for column, _ in volume)}
        if metric.denominator is not None:
            columns.add(metric.denominator)
        return cls(rule, metric, volume, frozenset(columns))

    def judge(self, series: Series, index: int, codes: bytearray) -> Finding:
        columns, metric = series.columns, self.metric
        numerator, denominator = metric.parts(columns, index)
        observed = metric.value(numerator, denominator)
        shown = None if metric.denominator is None else denominator
        nothing = Finding(Verdict.NOT_ENOUGH_DATA, observed, None, numerator, shown)
        is_sum = metric.nature is Nature.SUM
        if observed is None or not (is_sum or self._enough(series, index)):
            return nothing
        baseline = self._baseline(series, index, codes)
        if baseline is None:
            return nothing
        if is_sum and not (self._enough(series, index) or self._usually_enough(series, index)):
            return nothing
        values = baseline.values
        expected = _median(values)
        deviations = sorted(abs(value - expected) for value in values)
        events = baseline.events if is_sum else columns[metric.events][index] / metric.event_unit
        spread = max(
            MAD_TO_SIGMA * _median(deviations) * (1 + SMALL_SAMPLE / len(values)),
            self.rule.floor_percent / 100 * abs(expected),
            metric.uncertainty(expected, denominator=denominator, events=events),
        )
        low, high = self._interval(baseline, expected, spread)
        return self._finding(series, index, codes, (observed, expected, spread, low, high))

    def _interval(self, baseline: Baseline, expected: float, spread: float) -> tuple[float, float]:
        least, most = baseline.values[0], baseline.values[-1]
        if baseline.same_hour:
            least, most = least - HULL_SPREADS * spread, most + HULL_SPREADS * spread
        else:
            least, most = least * EARLY_BELOW, most * EARLY_ABOVE
        sigma = self.rule.sigma
        return min(expected - sigma * spread, least), max(_above(expected, spread, sigma), most)

    def _finding(
        self, series: Series, index: int, codes: bytearray, figures: tuple[float, float, float, float, float]
    ) -> Finding:
        observed, expected, spread, low, high = figures
        rule, metric = self.rule, self.metric
        numerator, denominator = metric.parts(series.columns, index)
        score = _score(observed, expected, spread)
        direction = 1 if score > 0 else -1
        watched = rule.direction is Direction.BOTH or (rule.direction is Direction.UP) == (direction > 0)
        outside = observed > high or observed < low
        if watched and outside and abs(score) >= rule.sigma:
            verdict = Verdict.FIRING
        elif watched and abs(score) >= rule.resolve_sigma:
            verdict = Verdict.HOLDING
        else:
            verdict = Verdict.QUIET
        firing = verdict is Verdict.FIRING
        return Finding(
            verdict,
            observed,
            high if direction > 0 else max(0.0, low),
            numerator,
            None if metric.denominator is None else denominator,
            direction,
            expected,
            max(0.0, low),
            high,
            score if isfinite(score) else None,
            self._at_risk(series, index, expected, denominator, direction) if firing else 0,
            at_once=firing and abs(score) >= rule.at_once_sigma,
            new_level=firing and self._is_new_level(codes, index, direction),
        )

    def _at_risk(self, series: Series, index: int, expected: float, denominator: int, direction: int) -> int:
        spend = series.columns[SPEND][index]
        if self.metric.numerator == SPEND:
            if direction < 0:
                return 0
            usual = expected * denominator * self.metric.divide / self.metric.multiply
            return max(0, spend - int(usual))
        return spend

    def _enough(self, series: Series, index: int) -> bool:
        return all(series.columns[column][index] >= least for column, least in self.volume)

    def _usually_enough(self, series: Series, index: int) -> bool:
        """Whether the same hour yesterday had volume: a sum that falls to nothing has none of its own."""
        start = series.columns[START][index]
        first = series.first_from(start - 24 * HOUR_MS)
        return first < index and self._enough(series, first)

    def _is_new_level(self, codes: bytearray, index: int, direction: int) -> bool:
        first = max(0, index - LEVEL_WINDOWS + 1, codes.rfind(NEW_LEVEL, 0, index) + 1)
        same = (UP, UP_AT_ONCE) if direction > 0 else (DOWN, DOWN_AT_ONCE)
        flagged = sum(codes.count(code, first, index) for code in same) + 1
        return flagged >= LEVEL_SHARE * LEVEL_WINDOWS

    # -- what to compare with --------------------------------------------------------------------------------

    def _baseline(self, series: Series, index: int, codes: bytearray) -> Baseline | None:
        lowest = series.first_from(series.columns[START][index] - BASELINE_DAYS * 24 * HOUR_MS)
        level = codes.rfind(NEW_LEVEL, lowest, index)
        if level >= 0:
            lowest = max(lowest, level - LEVEL_WINDOWS + 1)
        hours, hour = series.local_hours, series.local_hours[index]
        chosen: list[int] = []
        at = hours.rfind(hour, lowest, index)
        while at >= 0:
            if self._is_usable(series, at, codes, level):
                chosen.append(at)
            at = hours.rfind(hour, lowest, at)
        same_hour = len(chosen) >= SAME_HOURS
        if not same_hour:
            chosen = []
            for at in range(index - 1, lowest - 1, -1):
                if self._is_usable(series, at, codes, level):
                    chosen.append(at)
                    if len(chosen) == RECENT_MOST:
                        break
            if len(chosen) < (RECENT_LEAST if level < 0 else LEVEL_LEAST):
                return None
        metric, columns = self.metric, series.columns
        values = sorted(value for at in chosen if (value := metric.value(*metric.parts(columns, at))) is not None)
        counts = columns[metric.events]
        events = _median(sorted(counts[at] for at in chosen)) / metric.event_unit
        return Baseline(tuple(values), events, same_hour)

    def _is_usable(self, series: Series, at: int, codes: bytearray, level: int) -> bool:
        if codes[at] >= FIRST_FIRING and at > level:
            return False
        return self.metric.nature is Nature.SUM or self._enough(series, at)


def _score(observed: float, expected: float, spread: float) -> float:
    if not spread:
        return 0.0
    if observed > expected > 0:
        return log(observed / expected) * expected / spread
    return (observed - expected) / spread


def _above(expected: float, spread: float, sigma: float) -> float:
    """What scores `sigma`. Sums and prices vary by factors, so upwards distance is a ratio: twice is as far as half."""
    if expected <= 0:
        return expected + sigma * spread
    return expected * exp(min(sigma * spread / expected, LARGEST_EXPONENT))


def _median(ascending: "tuple[float, ...] | list[float] | list[int]") -> float:
    middle = len(ascending) // 2
    return ascending[middle] if len(ascending) % 2 else (ascending[middle - 1] + ascending[middle]) / 2
