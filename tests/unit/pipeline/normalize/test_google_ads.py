"""What single rows say: when a figure is final, what an entity is, what a completion covers."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.normalize.google_ads import normalize
from schemas.campaign import CampaignStatus
from schemas.facts import Entity, ReportComplete, Snapshot

CUSTOMER = {"id": "1", "timeZone": "Europe/Berlin", "currencyCode": "EUR"}


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NOW_MS = ms("2026-11-20 10:00")


def record(report: str, kind: str = "row", at_ms: int = NOW_MS, **more: Any) -> bytes:
    body = {"v": 1, "kind": kind, "report": report, "account_id": "1", "fetched_at_ms": at_ms, **more}
    return json.dumps(body).encode()


def day(date: str, at_ms: int) -> Snapshot:
    row = {"customer": CUSTOMER, "campaign": {"id": "7"}, "segments": {"date": date}, "metrics": {}}
    fact = normalize(record("campaign_day", at_ms=at_ms, row=row))
    assert isinstance(fact, Snapshot)
    return fact


def entity(campaign: dict[str, Any] | None = None, **budget: Any) -> Entity:
    row = {
        "customer": CUSTOMER,
        "campaign": {"id": "7", "name": "Seven", "status": "ENABLED", **(campaign or {})},
        **({"campaignBudget": budget} if budget else {}),
    }
    fact = normalize(record("entity", row=row))
    assert isinstance(fact, Entity)
    return fact


@pytest.mark.parametrize(
    ("read_at", "is_final", "settled"),
    [
        ("2026-11-18 12:00", False, False),
        ("2026-11-19 01:59", False, False),  # over at 23:00 UTC, and metrics come up to three hours later
        ("2026-11-19 02:00", True, False),
        ("2027-02-16 22:59", True, False),
        ("2027-02-16 23:00", True, True),  # ninety days of conversions are in
    ],
)
def test_a_day_is_final_hours_after_its_end_and_settled_ninety_days_after(
    read_at: str, is_final: bool, settled: bool
) -> None:
    fact = day("2026-11-18", ms(read_at))
    assert (fact.is_final, fact.settled) == (is_final, settled)


def test_a_day_may_begin_before_it_does_in_utc() -> None:
    assert day("2026-11-21", NOW_MS).start_ms > NOW_MS


@pytest.mark.parametrize(
    ("status", "end", "means"),
    [
        ("ENABLED", None, CampaignStatus.ACTIVE),
        ("PAUSED", None, CampaignStatus.PAUSED),
        ("REMOVED", None, CampaignStatus.ARCHIVED),
        ("ENABLED", "2026-11-19 23:59:59", CampaignStatus.COMPLETED),
        ("REMOVED", "2026-11-19 23:59:59", CampaignStatus.ARCHIVED),
        ("ENABLED", "2026-11-20 23:59:59", CampaignStatus.ACTIVE),
        ("ENABLED", "2037-12-30 23:59:59", CampaignStatus.ACTIVE),
    ],
)
def test_a_campaign_is_as_the_platform_says_and_completed_behind_its_end(
    status: str, end: str | None, means: CampaignStatus
) -> None:
    assert entity({"status": status, **({"endDateTime": end} if end else {})}).status is means


def test_the_schedule_is_in_the_accounts_time() -> None:
    found = entity({"startDateTime": "2026-07-01 00:00:00", "endDateTime": "2026-12-24 23:59:59"})
    assert found.start_ms == ms("2026-06-30 22:00")
    assert found.end_ms == ms("2026-12-24 23:00")  # up to the end of the last second


def test_a_far_end_means_that_there_is_none() -> None:
    assert entity({"endDateTime": "2037-12-30 23:59:59"}).end_ms is None


@pytest.mark.parametrize(
    ("budget", "daily", "total", "shared"),
    [
        ({}, None, None, False),
        ({"id": "9", "amountMicros": "5000000", "period": "DAILY", "referenceCount": "1"}, 5_000_000, None, False),
        ({"id": "9", "totalAmountMicros": "7000000", "period": "CUSTOM_PERIOD"}, None, 7_000_000, False),
        ({"id": "9", "amountMicros": "0", "totalAmountMicros": "0"}, None, None, False),
        ({"id": "9", "amountMicros": "5", "explicitlyShared": True}, 5, None, True),
        ({"id": "9", "amountMicros": "5", "referenceCount": "3"}, 5, None, True),
    ],
)
def test_a_budget_is_of_a_day_or_of_the_flight_and_may_be_shared(
    budget: dict[str, Any], daily: int | None, total: int | None, shared: bool
) -> None:
    found = entity(**budget)
    assert (found.daily_budget_micros, found.total_budget_micros, found.budget_shared) == (daily, total, shared)


def test_a_completion_names_every_day_it_covers() -> None:
    fact = normalize(record("ad_day", "report_complete", since="2026-10-24", until="2026-10-26", rows=17))
    assert fact == ReportComplete("1", "ad_day", NOW_MS, ("2026-10-24", "2026-10-25", "2026-10-26"), 17)
