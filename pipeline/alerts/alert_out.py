"""Statements to the bytes of an alert. The fields are those of `schemas.alert`; a test compares the two."""

import hashlib
from types import MappingProxyType

import msgspec

from pipeline.alerts.campaign_state import CampaignState
from pipeline.alerts.messages import Subject, message
from pipeline.alerts.series import AS_OF, END, REVISION, START, VERSION, Series
from pipeline.alerts.statement import Statement
from pipeline.total_codec import total_id
from schemas.alert import AlertKind
from schemas.rule import BudgetRule
from schemas.topics import ALERTS_ANOMALY, ALERTS_BUDGET, ALERTS_THRESHOLD

TOPIC_OF: MappingProxyType[str, str] = MappingProxyType(
    {AlertKind.BUDGET: ALERTS_BUDGET, AlertKind.THRESHOLD: ALERTS_THRESHOLD, AlertKind.ANOMALY: ALERTS_ANOMALY}
)
SETTLED = 2  # bit of a version
DIGITS = 6  # a published figure is a ratio for people; the exact parts are in the evidence


class EvidenceOut(msgspec.Struct, gc=False):
    numerator: int
    denominator: int | None
    revision: int
    as_of_ms: int
    settled: bool
    total_id: str
    total_version: int


class AlertOut(msgspec.Struct, gc=False):
    schema_version: int
    event_id: str
    alert_id: str
    version: int
    transition: str
    kind: str
    rule_id: str
    alert_type: str
    severity: str
    project_id: str
    campaign_key: str
    platform: str
    account_id: str
    campaign_id: str
    campaign_name: str
    basis: str
    window: str
    window_start_ms: int
    window_end_ms: int
    zone: str
    currency: str
    metric: str
    threshold: float | None
    current_value: float
    previous_value: float | None
    expected: float | None
    interval_low: float | None
    interval_high: float | None
    score: float | None
    spend_at_risk_micros: int
    message: str
    evidence: EvidenceOut
    link: str
    at_ms: int


encode = msgspec.json.Encoder().encode


def derived_id(*parts: str | int) -> str:
    """The same parts, the same id: 32 hex digits in the groups of a UUID, out of SHA-256."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def alert_of(
    said: Statement, campaign: CampaignState, basis: str, series: Series, *, project_id: str, link_base: str
) -> AlertOut:
    platform, account_id, campaign_id = campaign.identity
    rule, finding, columns = said.rule, said.finding, series.columns
    start, end, version = (columns[column][said.index] for column in (START, END, VERSION))
    alert_id = derived_id("alert", rule.id, campaign.key, basis, said.start_ms, said.episode)
    subject = Subject(campaign.name or campaign_id, platform, campaign.currency, campaign.zone)
    return AlertOut(
        schema_version=1,
        event_id=derived_id("transition", alert_id, said.version, said.transition),
        alert_id=alert_id,
        version=said.version,
        transition=said.transition,
        kind=rule.kind,
        rule_id=rule.id,
        alert_type=rule.type,
        severity=rule.severity,
        project_id=project_id,
        campaign_key=campaign.key,
        platform=platform,
        account_id=account_id,
        campaign_id=campaign_id,
        campaign_name=subject.name,
        basis=basis,
        window=rule.window,
        window_start_ms=start,
        window_end_ms=end,
        zone=campaign.zone,
        currency=campaign.currency,
        metric="budget_share" if isinstance(rule, BudgetRule) else rule.metric,
        threshold=_rounded(finding.limit),
        current_value=round(said.value, DIGITS),
        previous_value=_rounded(said.previous),
        expected=_rounded(finding.expected),
        interval_low=_rounded(finding.low),
        interval_high=_rounded(finding.high),
        score=_rounded(finding.score),
        spend_at_risk_micros=finding.spend_at_risk_micros,
        message=message(said, subject, series),
        evidence=EvidenceOut(
            finding.numerator,
            finding.denominator,
            columns[REVISION][said.index],
            columns[AS_OF][said.index],
            bool(version & SETTLED),
            total_id(campaign.key, "", "", basis, rule.window, start),
            version,
        ),
        link=f"{link_base}/alerts/{alert_id}",
        at_ms=said.at_ms,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
