"""A row of the entity report to a campaign: status, budget, schedule.

A shared budget appears on many campaigns: alerts on it are keyed on `campaignBudget.id`. Dates are account-local
(`startDateTime`, `endDateTime`, since v23); the end is the last second of the flight.
"""

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from pipeline.normalize.google_ads_fields import currency, digits, local_instant, micros, whole
from pipeline.normalize.google_ads_row import CampaignBudget, Row
from schemas.campaign import CampaignStatus
from schemas.facts import Entity
from schemas.platform import Platform

STATUS = {
    "ENABLED": CampaignStatus.ACTIVE,
    "PAUSED": CampaignStatus.PAUSED,
    "REMOVED": CampaignStatus.ARCHIVED,
}
MAX_BUDGET_ID = 64


def entity(row: Row, fetched_at_ms: int) -> Entity:
    """The ids, currency and zone of `row.customer` have been checked. Raises BadRecord."""
    status = STATUS.get(row.campaign.status)
    if status is None:
        raise BadRecord(
            BadRecordCode.BAD_VALUE,
            "row.campaign.status",
            f"{row.campaign.status[:40]!r} is not one of {', '.join(STATUS)}",
        )
    zone = row.customer.time_zone
    end_ms = local_instant(row.campaign.end_date_time, zone, "row.campaign.endDateTime", after_s=1)
    if end_ms is not None and end_ms <= fetched_at_ms and status is not CampaignStatus.ARCHIVED:
        status = CampaignStatus.COMPLETED
    budget = row.campaign_budget or CampaignBudget()
    daily, total = _amounts(budget)
    references = whole(budget.reference_count, "row.campaignBudget.referenceCount")
    return Entity(
        str(Platform.GOOGLE_ADS),
        row.customer.id,
        digits(row.campaign.id, "row.campaign.id"),
        row.campaign.name,
        row.campaign.advertising_channel_type,
        "",
        status,
        currency(row.customer.currency_code, "row.customer.currencyCode"),
        zone,
        local_instant(row.campaign.start_date_time, zone, "row.campaign.startDateTime"),
        end_ms,
        daily,
        total,
        _budget_id(budget.id),
        budget.explicitly_shared or references > 1,
        fetched_at_ms,
    )


def _amounts(budget: CampaignBudget) -> tuple[int | None, int | None]:
    """(daily, total): `amountMicros` is an average daily budget, `totalAmountMicros` one of the whole flight.

    The API writes 0 where an amount is not set.
    """
    daily = micros(budget.amount_micros or 0, "row.campaignBudget.amountMicros")
    total = micros(budget.total_amount_micros or 0, "row.campaignBudget.totalAmountMicros")
    if budget.period == "DAILY":
        return daily or None, None
    if budget.period == "CUSTOM_PERIOD":
        return None, total or None
    raise BadRecord(
        BadRecordCode.BAD_VALUE,
        "row.campaignBudget.period",
        f"{budget.period[:40]!r} is not one of DAILY, CUSTOM_PERIOD",
    )


def _budget_id(text: str | None) -> str | None:
    if text is not None and not 0 < len(text) <= MAX_BUDGET_ID:
        raise BadRecord(BadRecordCode.BAD_ID, "row.campaignBudget.id", f"{text[:40]!r} is not an id")
    return text
