"""What a judgement wants to say: one transition of one alert, before it is put into words."""

from dataclasses import dataclass
from enum import StrEnum

from pipeline.alerts.rule import Finding
from schemas.alert import Transition
from schemas.rule import Rule


class Cause(StrEnum):
    """Why a transition happened, for the message."""

    BREACH = "breach"
    CLEAR = "clear"
    STALE = "stale"
    NEW_LEVEL = "new_level"
    RULE_CHANGED = "rule_changed"
    DAY_OVER = "day_over"
    BUDGET_CHANGED = "budget_changed"
    BUDGET_GONE = "budget_gone"
    RESTATED = "restated"
    BASELINE_MOVED = "baseline_moved"


@dataclass(frozen=True, slots=True)
class Statement:
    """`start_ms` and `episode` name the alert; `index` is the window meant, in the series of `rule.window`.

    `value`: the figure published, `previous`: the one published before (amended, retracted), both in the
    published unit. `previous_numerator`, `previous_denominator`: of a budget, in micros.
    """

    rule: Rule
    transition: Transition
    cause: Cause
    start_ms: int
    episode: int
    version: int
    index: int
    finding: Finding
    value: float
    at_ms: int
    previous: float | None = None
    previous_numerator: int | None = None
    previous_denominator: int | None = None
