"""Alert rules as data. What is not named here is not a rule: unknown keys are refused."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.alert import Severity
from schemas.platform import Platform
from schemas.window import Basis, Window


class MetricName(StrEnum):
    SPEND = "spend"
    IMPRESSIONS = "impressions"
    CLICKS = "clicks"
    CONVERSIONS = "conversions"
    REVENUE = "revenue"
    CTR = "ctr"
    CPC = "cpc"
    CPM = "cpm"
    CPA = "cpa"
    CVR = "cvr"
    ROAS = "roas"


class Direction(StrEnum):
    UP = "up"
    DOWN = "down"
    BOTH = "both"


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Volume(_Data):
    """Less than this and a figure proves nothing. Spend in currency units, conversions whole or fractional."""

    impressions: Annotated[int, Field(ge=0)] = 0
    clicks: Annotated[int, Field(ge=0)] = 0
    spend: Annotated[float, Field(ge=0)] = 0
    conversions: Annotated[float, Field(ge=0)] = 0
    revenue: Annotated[float, Field(ge=0)] = 0


class _Rule(_Data):
    """`max_age_h`: a window that ended longer ago is history, not news, and opens no alert.

    Empty `platforms` or `bases`: all of them.
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
    alert_type: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)] = ""  # "": the id
    severity: Severity
    platforms: tuple[Platform, ...] = ()
    bases: tuple[Basis, ...] = ()
    max_age_h: Annotated[int, Field(ge=1, le=24 * 14)] = 48

    @property
    def type(self) -> str:
        return self.alert_type or self.id


class BudgetRule(_Rule):
    """A share of the campaign's daily budget, per budget day in the account's zone. Judged on every new total."""

    kind: Literal["budget"]
    window: Window = Window.DAY
    share_percent: Annotated[int, Field(ge=1, le=1000)]


class _SeriesRule(_Rule):
    """Judged over the campaign's final windows, at checkpoints.

    `for_windows`: how many windows in a row must breach before it fires; `resolve_windows`: how many in a row must
    be clear before it is over; `stale_h`: over as well when nothing could be judged for so long. Windows
    without enough volume are passed over. `mature_after_h`: a window is judged this long after its end,
    because conversions arrive late. `amend_percent`: by how much a restatement must move the figure to be news.
    """

    window: Window = Window.HOUR
    metric: MetricName
    min_volume: Volume = Volume()
    for_windows: Annotated[int, Field(ge=1)] = 1
    resolve_windows: Annotated[int, Field(ge=1)] = 1
    stale_h: Annotated[int, Field(ge=1, le=24 * 7)] = 24
    mature_after_h: Annotated[int, Field(ge=0)] = 0
    amend_percent: Annotated[float, Field(ge=0, le=100)] = 1.0


class ThresholdRule(_SeriesRule):
    """The metric over the last `span_h` hours, below or above a limit (one of the two).

    Fires strictly beyond the limit; over when `resolve` is reached (default: the limit itself). Units
    as published: percent for CTR and CVR, currency units for money, a plain ratio for ROAS.
    """

    kind: Literal["threshold"]
    below: float | None = None
    above: float | None = None
    resolve: float | None = None
    span_h: Annotated[int, Field(ge=1, le=24 * 7)] = 1


class AnomalyRule(_SeriesRule):
    """Outside of what the campaign's own recent windows lead one to expect (robust z-score).

    `sigma`: fires from here; `resolve_sigma`: clear below; `at_once_sigma`: fires without waiting for `for_windows`.
    `floor_percent`: the spread is never taken smaller than this share of the expected value.
    """

    kind: Literal["anomaly"]
    direction: Direction = Direction.BOTH
    sigma: Annotated[float, Field(gt=0, le=50)] = 3.0
    resolve_sigma: Annotated[float, Field(gt=0, le=50)] = 2.0
    at_once_sigma: Annotated[float, Field(gt=0, le=1000)] = 6.0
    floor_percent: Annotated[float, Field(ge=0, le=100)] = 5.0


Rule = BudgetRule | ThresholdRule | AnomalyRule
KINDS: tuple[str, ...] = ("budget", "threshold", "anomaly")


class RuleSet(_Data):
    """The rules file: `[[rule]]` tables."""

    rule: tuple[Annotated[Rule, Field(discriminator="kind")], ...] = ()
