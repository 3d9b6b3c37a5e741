"""The four public shapes of `events.campaign`. The fields are those of `schemas.public_event`; a test compares them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypedDict

import msgspec

from pipeline.alerts.alert_out import AlertOut, derived_id
from pipeline.alerts.campaign_state import CampaignState
from pipeline.alerts.metric import METRICS
from pipeline.alerts.statement import Statement
from schemas.alert import Transition
from schemas.measures import MICROS
from schemas.rule import BudgetRule, MetricName, ThresholdRule

DIGITS = 6


class Head(TypedDict):
    event_type: str
    event_id: str
    sequence: int
    project_id: str
    campaign_id: str
    timestamp: str


class MetricsOut(msgspec.Struct, gc=False):
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


class AlertBodyOut(msgspec.Struct, gc=False):
    alertId: str  # noqa: N815
    alertType: str  # noqa: N815
    severity: str
    message: str
    threshold: float | None
    currentValue: float  # noqa: N815
    timestamp: str


class PublicEventOut(msgspec.Struct, gc=False, kw_only=True):
    event_type: str
    event_id: str
    sequence: int
    project_id: str
    campaign_id: str
    timestamp: str
    schema_version: int = 1


class MetricsUpdatedOut(PublicEventOut, gc=False, kw_only=True):
    metrics: MetricsOut


class PerformanceAlertOut(PublicEventOut, gc=False, kw_only=True):
    alert: AlertBodyOut


class BudgetExceededOut(PublicEventOut, gc=False, kw_only=True):
    budget_limit: float
    current_spend: float
    percentage_exceeded: float


class PerformanceThresholdOut(PublicEventOut, gc=False, kw_only=True):
    metric_name: str
    threshold_type: str
    threshold_value: float
    current_value: float


class Publisher:
    """Numbers the events of one campaign. `sequence` is in the campaign's row, so a repeat gets the same number."""

    def __init__(self, campaign: CampaignState, project_id: str) -> None:
        self._campaign, self._project_id = campaign, project_id

    def of_alert(self, said: Statement, alert: AlertOut) -> list[PublicEventOut]:
        """What a firing alert means to readers of the public shapes; nothing for other transitions."""
        if said.transition is not Transition.FIRING:
            return []
        at = rfc3339(said.at_ms)
        body = AlertBodyOut(
            alert.alert_id, alert.alert_type, alert.severity, alert.message, alert.threshold, alert.current_value, at
        )
        events: list[PublicEventOut] = [
            PerformanceAlertOut(**self._head("performance_alert", at, alert.event_id), alert=body)
        ]
        if isinstance(said.rule, BudgetRule) and said.rule.share_percent >= 100:
            limit, spend = said.finding.denominator or 0, said.finding.numerator
            events.append(
                BudgetExceededOut(
                    **self._head("budget_exceeded", at, alert.event_id),
                    budget_limit=limit / MICROS,
                    current_spend=spend / MICROS,
                    percentage_exceeded=round((spend - limit) * 100 / limit, DIGITS),
                )
            )
        if isinstance(said.rule, ThresholdRule):
            events.append(
                PerformanceThresholdOut(
                    **self._head("performance_threshold", at, alert.event_id),
                    metric_name=said.rule.metric,
                    threshold_type="below" if said.finding.direction < 0 else "above",
                    threshold_value=said.finding.limit or 0.0,
                    current_value=alert.current_value,
                )
            )
        return events

    def of_metrics(
        self, measures: Sequence[int], *, basis: str, date: str, at_ms: int, revision_of: str
    ) -> PublicEventOut:
        """`measures`: impressions, clicks, spend, conversions, revenue in stored units, of that local date so far.

        `revision_of` tells one statement about the same date from another.
        """
        impressions, clicks, spend, conversions, revenue = measures
        platform, _, campaign_id = self._campaign.identity
        at = rfc3339(at_ms)
        metrics = MetricsOut(
            campaign_id,
            self._campaign.name or campaign_id,
            platform,
            impressions,
            clicks,
            spend / MICROS,
            conversions / MICROS,
            revenue / MICROS,
            _ratio(MetricName.CTR, clicks, impressions),
            _ratio(MetricName.CPC, spend, clicks),
            _ratio(MetricName.CPM, spend, impressions),
            _ratio(MetricName.ROAS, revenue, spend),
            at,
            date,
        )
        cause = f"{self._campaign.key}|{basis}|{date}|{revision_of}"
        return MetricsUpdatedOut(**self._head("metrics_updated", at, cause), metrics=metrics)

    def _head(self, name: str, at: str, cause: str) -> Head:
        self._campaign.sequence += 1
        return {
            "event_type": f"campaign.{name}",
            "event_id": derived_id("public", name, cause),
            "sequence": self._campaign.sequence,
            "project_id": self._project_id,
            "campaign_id": self._campaign.identity[2],
            "timestamp": at,
        }


def rfc3339(at_ms: int) -> str:
    """UTC, to the millisecond."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"


def _ratio(name: str, numerator: int, denominator: int) -> float | None:
    value = METRICS[name].value(numerator, denominator)
    return None if value is None else round(value, DIGITS)
