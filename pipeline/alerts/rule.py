"""What an alert rule is: a judgement on numbers. Telling anyone, and how often, is not its business."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pipeline.alerts.metric import Metric
from pipeline.alerts.series import CLICKS, CONVERSIONS, IMPRESSIONS, REVENUE, SPEND, Series
from schemas.measures import MICROS
from schemas.rule import Rule, Volume


class Verdict(StrEnum):
    FIRING = "firing"
    HOLDING = "holding"  # between the limit and the clear: keeps an open episode open, and opens none
    QUIET = "quiet"
    NOT_ENOUGH_DATA = "not_enough_data"  # silence must not pass for health


# A verdict on one window as a byte, because a campaign keeps one per rule and window.
QUIET, HOLDING, NOT_ENOUGH, UP, DOWN, UP_AT_ONCE, DOWN_AT_ONCE, NEW_LEVEL = range(8)
FIRST_FIRING = UP
_CODES = {Verdict.QUIET: QUIET, Verdict.HOLDING: HOLDING, Verdict.NOT_ENOUGH_DATA: NOT_ENOUGH}


@dataclass(frozen=True, slots=True)
class Finding:
    """`observed`, `limit`, `expected`, `low`, `high` in the metric's published unit; `direction`: 1 above, -1 below.

    `numerator`, `denominator`: what the observed figure was made of, in stored units. `spend_at_risk_micros` is
    computed by the rule and explained in its docstring. `new_level`: anomalous for so long that it is the norm now.
    """

    verdict: Verdict
    observed: float | None
    limit: float | None = None
    numerator: int = 0
    denominator: int | None = None
    direction: int = 0
    expected: float | None = None
    low: float | None = None
    high: float | None = None
    score: float | None = None
    spend_at_risk_micros: int = 0
    at_once: bool = False
    new_level: bool = False

    @property
    def code(self) -> int:
        if self.verdict is not Verdict.FIRING:
            return _CODES[self.verdict]
        if self.new_level:
            return NEW_LEVEL
        up = self.direction > 0
        if self.at_once:
            return UP_AT_ONCE if up else DOWN_AT_ONCE
        return UP if up else DOWN


class RuleKind(Protocol):
    """A judge of one figure in the light of those before it. Pure: the same series gives the same finding."""

    @property
    def rule(self) -> Rule: ...

    def judge(self, series: Series, index: int, codes: bytearray) -> Finding:
        """`series`: all windows known; `index`: the one judged; `codes`: the verdicts on those before it."""


class SeriesRuleKind(RuleKind, Protocol):
    """A kind judged over final windows, at checkpoints."""

    @property
    def metric(self) -> Metric: ...

    @property
    def inputs(self) -> frozenset[int]:
        """The columns a finding depends on: a window that changes in others keeps its verdict."""

    @property
    def sticky(self) -> bool:
        """Whether an alert that was told stays while its window is merely HOLDING: a moving baseline is no news."""


def volume_columns(volume: Volume) -> Mapping[int, int]:
    """The gate as column -> least value in stored units."""
    wanted = {
        IMPRESSIONS: volume.impressions,
        CLICKS: volume.clicks,
        SPEND: round(volume.spend * MICROS),
        CONVERSIONS: round(volume.conversions * MICROS),
        REVENUE: round(volume.revenue * MICROS),
    }
    return {column: least for column, least in wanted.items() if least}
