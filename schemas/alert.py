"""An alert transition as published on `alerts.*`."""

from enum import StrEnum

from schemas.platform import Platform
from schemas.record import Contract
from schemas.window import Basis, Window


class Transition(StrEnum):
    FIRING = "firing"
    RESOLVED = "resolved"
    AMENDED = "amended"  # a restatement moved the figure; the verdict stands
    RETRACTED = "retracted"  # a restatement removed the cause


class Severity(StrEnum):
    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class AlertKind(StrEnum):
    BUDGET = "budget"
    THRESHOLD = "threshold"
    ANOMALY = "anomaly"


class Evidence(Contract):
    """What the figure was made of: numerator and denominator in stored units, and how sure the total was."""

    numerator: int
    denominator: int | None = None
    revision: int
    as_of_ms: int
    settled: bool
    total_id: str
    total_version: int


class Alert(Contract):
    """One transition of one alert. Kafka key: campaign key.

    `alert_id` names the episode (rule, campaign, basis, window, episode number) and stays the same through its
    transitions; `event_id` names this transition. Both are derived, so a replay repeats them. `version`
    counts the transitions of the alert from 1. `previous_value` is the figure last published (amended, retracted).
    Values are in the metric's own unit: currency units for spend, CPC, CPM, CPA; percent for CTR, CVR
    and budget share; a plain ratio for ROAS.
    """

    schema_version: int = 1
    event_id: str
    alert_id: str
    version: int
    transition: Transition
    kind: AlertKind
    rule_id: str
    alert_type: str  # budget_exceeded, budget_warning, low_ctr, low_roas, high_cpc, anomaly_spend ...
    severity: Severity
    project_id: str
    campaign_key: str
    platform: Platform
    account_id: str
    campaign_id: str
    campaign_name: str
    basis: Basis
    window: Window
    window_start_ms: int
    window_end_ms: int
    zone: str
    currency: str
    metric: str
    threshold: float | None
    current_value: float
    previous_value: float | None = None
    expected: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    score: float | None = None
    spend_at_risk_micros: int
    message: str
    evidence: Evidence
    link: str
    at_ms: int  # as_of of the total that caused the transition
