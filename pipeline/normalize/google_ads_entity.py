"""A row of the entity report to a campaign: status, budget, schedule.

A shared budget appears on many campaigns: alerts on it are keyed on `campaignBudget.id`. Dates are account-local
(`startDateTime`, `endDateTime`, since v23).
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from pipeline.normalize.google_ads_fields import FIRST_YEAR, in_the_row, whole
from pipeline.zones import zone_of
from schemas.campaign import CampaignStatus
from schemas.facts import Entity
from schemas.platform import Platform

STATUS = {
    "ENABLED": CampaignStatus.ACTIVE,
    "PAUSED": CampaignStatus.PAUSED,
    "REMOVED": CampaignStatus.ARCHIVED,
}
NEVER_ENDS_YEAR = 2037  # the API's way of saying that there is no end date


class CampaignBudget(msgspec.Struct, rename="camel", gc=False):
    id: str | None = None
    amount_micros: str | int | None = None
    total_amount_micros: str | int | None = None
    period: str = "DAILY"
    explicitly_shared: bool = False
    reference_count: str | int = 1


def entity(row: Any, fetched_at_ms: int) -> Entity:
    """`row` is the row of the envelope, its ids and currency checked. Raises BadRecord."""
    status = STATUS.get(row.campaign.status)
    if status is None:
        raise BadRecord(
            BadRecordCode.BAD_VALUE, "row.campaign.status", f"{row.campaign.status!r} is not one of {', '.join(STATUS)}"
        )
    with in_the_row():
        zone = zone_of(row.customer.time_zone)
    end_ms = _instant(row.campaign.end_date_time, zone, "row.campaign.endDateTime")
    if end_ms is not None and end_ms <= fetched_at_ms and status is not CampaignStatus.ARCHIVED:
        status = CampaignStatus.COMPLETED
    budget = row.campaign_budget or CampaignBudget()
    daily, total = _amounts(budget)
    return Entity(
        str(Platform.GOOGLE_ADS),
        row.customer.id,
        row.campaign.id,
        row.campaign.name,
        row.campaign.advertising_channel_type,
        "",
        status,
        row.customer.currency_code,
        row.customer.time_zone,
        _instant(row.campaign.start_date_time, zone, "row.campaign.startDateTime"),
        end_ms,
        daily,
        total,
        budget.id,
        budget.explicitly_shared or whole(budget.reference_count, "row.campaignBudget.referenceCount") > 1,
        fetched_at_ms,
    )


def _amounts(budget: CampaignBudget) -> tuple[int | None, int | None]:
    """(daily, total): `amountMicros` is an average daily budget, `totalAmountMicros` one of the whole flight."""
    daily = None if budget.amount_micros is None else whole(budget.amount_micros, "row.campaignBudget.amountMicros")
    total = (
        None
        if budget.total_amount_micros is None
        else whole(budget.total_amount_micros, "row.campaignBudget.totalAmountMicros")
    )
    if budget.period == "DAILY":
        return daily or None, None
    return None, total or None


def _instant(text: str | None, zone: ZoneInfo, field: str) -> int | None:
    """Account-local `YYYY-MM-DD HH:MM:SS` to Unix ms; None for no date, and for the far end that means none."""
    if not text:
        return None
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise BadRecord(BadRecordCode.BAD_TIME, field, f"{text[:40]!r} is not a local date and time") from None
    if local.tzinfo is not None or local.year < FIRST_YEAR:
        raise BadRecord(BadRecordCode.BAD_TIME, field, f"{text[:40]!r} is not a local date and time since {FIRST_YEAR}")
    if local.year >= NEVER_ENDS_YEAR:
        return None
    return int(local.replace(tzinfo=zone).timestamp()) * 1000
