"""The four public shapes on `events.campaign`. Field names are a contract with consumers: camelCase where it says so.

`sequence` counts per campaign from 1 without a gap; `event_id` is derived, so a repeat is the same event.
`ctr` is percent. Amounts are in currency units.
"""

from typing import Literal

from schemas.record import Contract


class CampaignMetrics(Contract):
    campaignId: str  # noqa: N815
    campaignName: str  # noqa: N815
    platform: str
    impressions: int
    clicks: int
    spend: float
    conversions: float
    revenue: float
    ctr: float | None
    cpc: float | None
    cpm: float | None
    roas: float | None
    timestamp: str
    date: str


class PublicEvent(Contract):
    schema_version: int = 1
    event_id: str
    sequence: int
    project_id: str
    campaign_id: str
    timestamp: str  # RFC 3339, UTC


class MetricsUpdated(PublicEvent):
    event_type: Literal["campaign.metrics_updated"] = "campaign.metrics_updated"
    metrics: CampaignMetrics


class AlertBody(Contract):
    alertId: str  # noqa: N815
    alertType: str  # noqa: N815
    severity: str
    message: str
    threshold: float | None
    currentValue: float  # noqa: N815
    timestamp: str


class PerformanceAlert(PublicEvent):
    event_type: Literal["campaign.performance_alert"] = "campaign.performance_alert"
    alert: AlertBody


class BudgetExceeded(PublicEvent):
    event_type: Literal["campaign.budget_exceeded"] = "campaign.budget_exceeded"
    budget_limit: float
    current_spend: float
    percentage_exceeded: float


class PerformanceThreshold(PublicEvent):
    event_type: Literal["campaign.performance_threshold"] = "campaign.performance_threshold"
    metric_name: str
    threshold_type: Literal["below", "above"]
    threshold_value: float
    current_value: float
