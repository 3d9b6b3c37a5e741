"""Answers to GAQL: which rows there are, and in which JSON types."""

from typing import Any

import pytest

from connectors.simulator.account import BERLIN, KOLKATA, MANAGER, Account
from connectors.simulator.campaign import Role
from connectors.simulator.gaql import parse
from connectors.simulator.google_ads_query import answer, check
from connectors.simulator.google_ads_refusal import Refusal
from connectors.simulator.market import Market
from connectors.simulator.market_settings import MarketSettings

NOW_MS = 1_795_244_400_000  # 2026-11-21 07:00 UTC
MARKET = Market(MarketSettings(anchor_ms=NOW_MS))
DAY = "WHERE segments.date BETWEEN '2026-11-20' AND '2026-11-21'"


def ask(text: str, account: Account = BERLIN, as_of_ms: int = NOW_MS) -> list[dict[str, Any]]:
    query = parse(text)
    check(query, account)
    return answer(MARKET, account, query, as_of_ms)


def refusal(text: str, account: Account = BERLIN) -> tuple[str, str]:
    with pytest.raises(Refusal) as refused:
        ask(text, account)
    return refused.value.family, refused.value.code


def test_a_campaign_day_row_has_the_api_s_names_and_types() -> None:
    rows = ask(
        "SELECT customer.id, customer.currency_code, customer.time_zone, campaign.id, campaign.name, segments.date, "
        f"metrics.cost_micros, metrics.conversions, metrics.view_through_conversions FROM campaign {DAY}"
    )
    row = next(r for r in rows if r["campaign"]["id"] == MARKET.by_role(Role.OVERSPEND).campaign_id)
    assert row["customer"] == {
        "resourceName": "customers/1000000001",
        "id": "1000000001",
        "currencyCode": "EUR",
        "timeZone": "Europe/Berlin",
    }
    assert row["campaign"]["resourceName"] == f"customers/1000000001/campaigns/{row['campaign']['id']}"
    assert row["segments"] == {"date": "2026-11-20"}
    assert isinstance(row["metrics"]["costMicros"], str)
    assert isinstance(row["metrics"]["conversions"], float)
    assert isinstance(row["metrics"]["viewThroughConversions"], str)


def test_hour_rows_carry_the_hour_as_a_number_and_add_up_to_the_day() -> None:
    fields = "campaign.id, segments.date, metrics.cost_micros"
    days = ask(f"SELECT {fields} FROM campaign {DAY}", KOLKATA)
    hours = ask(f"SELECT {fields}, segments.hour FROM campaign {DAY}", KOLKATA)
    sums: dict[tuple[str, str], int] = {}
    for row in hours:
        assert isinstance(row["segments"]["hour"], int)
        key = (row["campaign"]["id"], row["segments"]["date"])
        sums[key] = sums.get(key, 0) + int(row["metrics"]["costMicros"])
    assert sums == {(r["campaign"]["id"], r["segments"]["date"]): int(r["metrics"]["costMicros"]) for r in days}


def test_segmented_rows_with_only_zeros_do_not_exist_and_unsegmented_ones_do() -> None:
    ended = MARKET.by_role(Role.ENDED).campaign_id
    segmented = ask(f"SELECT campaign.id, segments.date, metrics.clicks FROM campaign {DAY}")
    assert ended not in {row["campaign"]["id"] for row in segmented}
    whole = ask(f"SELECT campaign.id, metrics.clicks FROM campaign {DAY}")
    assert next(row for row in whole if row["campaign"]["id"] == ended)["metrics"] == {"clicks": "0"}


def test_a_range_without_the_day_segment_is_one_row_with_the_sum() -> None:
    days = ask(f"SELECT campaign.id, segments.date, metrics.clicks FROM campaign {DAY}")
    whole = {
        r["campaign"]["id"]: int(r["metrics"]["clicks"])
        for r in ask(f"SELECT campaign.id, metrics.clicks FROM campaign {DAY}")
    }
    campaign_id = MARKET.by_role(Role.OVERSPEND).campaign_id
    assert whole[campaign_id] == sum(int(r["metrics"]["clicks"]) for r in days if r["campaign"]["id"] == campaign_id)


def test_the_account_report_is_the_sum_of_its_campaigns() -> None:
    campaigns = ask(f"SELECT campaign.id, segments.date, metrics.cost_micros FROM campaign {DAY}")
    for row in ask(f"SELECT customer.id, segments.date, metrics.cost_micros FROM customer {DAY}"):
        day = row["segments"]["date"]
        parts = [int(r["metrics"]["costMicros"]) for r in campaigns if r["segments"]["date"] == day]
        assert int(row["metrics"]["costMicros"]) == sum(parts)


def test_ad_rows_name_their_group_and_ad() -> None:
    rows = ask(
        "SELECT campaign.id, ad_group.id, ad_group.name, ad_group_ad.ad.id, ad_group_ad.ad.name, ad_group_ad.ad.type, "
        f"ad_group_ad.status, segments.date, metrics.clicks FROM ad_group_ad {DAY}"
    )
    row = rows[0]
    assert row["adGroupAd"]["resourceName"].endswith(
        f"/adGroupAds/{row['adGroup']['id']}~{row['adGroupAd']['ad']['id']}"
    )
    assert row["adGroupAd"]["status"] == "ENABLED"
    keys = [(r["adGroupAd"]["ad"]["id"], r["segments"]["date"]) for r in rows]
    assert len(set(keys)) == len(keys)


def test_the_entity_report_lists_every_campaign_with_its_budget() -> None:
    rows = ask(
        "SELECT campaign.id, campaign.status, campaign.serving_status, campaign.primary_status, "
        "campaign.primary_status_reasons, campaign.start_date_time, campaign.end_date_time, campaign_budget.id, "
        "campaign_budget.amount_micros, campaign_budget.total_amount_micros, campaign_budget.period, "
        "campaign_budget.explicitly_shared, campaign_budget.reference_count FROM campaign"
    )
    assert len(rows) == len(MARKET.campaigns_of(BERLIN.account_id))
    shared = [r for r in rows if r["campaignBudget"]["explicitlyShared"]]
    assert len({r["campaignBudget"]["id"] for r in shared}) == 1
    assert [r["campaignBudget"]["referenceCount"] for r in shared] == ["2", "2"]
    overspend = next(r for r in rows if r["campaign"]["id"] == MARKET.by_role(Role.OVERSPEND).campaign_id)
    assert overspend["campaignBudget"]["amountMicros"] == str(MARKET.by_role(Role.OVERSPEND).budget_micros)
    assert "totalAmountMicros" not in overspend["campaignBudget"]
    assert overspend["campaign"]["endDateTime"] == "2037-12-30 23:59:59"
    assert overspend["campaign"]["primaryStatusReasons"] == ["BUDGET_CONSTRAINED"]


def test_a_campaign_with_a_total_budget_has_no_daily_one() -> None:
    found = MARKET.by_role(Role.TOTAL_BUDGET)
    rows = ask(
        "SELECT campaign.id, campaign_budget.amount_micros, campaign_budget.total_amount_micros, "
        f"campaign_budget.period FROM campaign WHERE campaign.id = {found.campaign_id}",
        found.account,
    )
    assert rows[0]["campaignBudget"] | {"resourceName": ""} == {
        "resourceName": "",
        "totalAmountMicros": str(found.total_budget_micros),
        "period": "CUSTOM_PERIOD",
    }


def test_the_manager_lists_its_open_clients() -> None:
    rows = ask(
        "SELECT customer_client.id, customer_client.manager, customer_client.level, customer_client.status "
        "FROM customer_client WHERE customer_client.status = 'ENABLED' AND customer_client.manager = FALSE",
        MANAGER,
    )
    assert [r["customerClient"]["id"] for r in rows] == ["1000000001", "1000000002", "1000000003"]
    assert rows[0]["customerClient"]["level"] == "1"
    assert rows[0]["customerClient"]["manager"] is False


def test_the_day_after_today_has_no_rows_and_during_counts_in_the_account_s_zone() -> None:
    assert (
        ask("SELECT campaign.id, segments.date, metrics.clicks FROM campaign WHERE segments.date = '2026-11-22'") == []
    )
    kolkata_next_day_ms = NOW_MS + 12 * 3_600_000  # 19:00 UTC: the 22nd has begun in Kolkata, not in Berlin
    query = "SELECT campaign.id, segments.date, metrics.clicks FROM campaign WHERE segments.date DURING TODAY"
    assert {r["segments"]["date"] for r in ask(query, KOLKATA, kolkata_next_day_ms)} == {"2026-11-22"}
    assert {r["segments"]["date"] for r in ask(query, BERLIN, kolkata_next_day_ms)} == {"2026-11-21"}


def test_rows_are_filtered_ordered_and_limited() -> None:
    text = (
        "SELECT campaign.id, campaign.status, segments.date, metrics.clicks FROM campaign "
        "WHERE segments.date = '2026-11-20' AND metrics.clicks > 500 AND campaign.status IN ('ENABLED') "
        "ORDER BY metrics.clicks DESC LIMIT 3"
    )
    clicks = [int(row["metrics"]["clicks"]) for row in ask(text)]
    assert len(clicks) == 3
    assert clicks == sorted(clicks, reverse=True)
    assert min(clicks) > 500


@pytest.mark.parametrize(
    ("text", "account", "expected"),
    [
        ("SELECT campaign.start_date FROM campaign", BERLIN, ("queryError", "UNRECOGNIZED_FIELD")),
        (f"SELECT metrics.video_views FROM campaign {DAY}", BERLIN, ("queryError", "UNRECOGNIZED_FIELD")),
        ("SELECT planet.id FROM planet", BERLIN, ("queryError", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE")),
        (
            f"SELECT ad_group_ad.ad.id, segments.hour, metrics.clicks FROM ad_group_ad {DAY}",
            BERLIN,
            ("queryError", "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE"),
        ),
        ("SELECT ad_group_ad.ad.id FROM campaign", BERLIN, ("queryError", "PROHIBITED_FIELD_IN_SELECT_CLAUSE")),
        (
            "SELECT campaign.id FROM campaign WHERE campaign.status = 'ENABLED'",
            BERLIN,
            ("queryError", "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE"),
        ),
        (f"SELECT metrics.clicks FROM campaign {DAY}", MANAGER, ("queryError", "REQUESTED_METRICS_FOR_MANAGER")),
        (
            "SELECT segments.date, metrics.clicks FROM campaign",
            BERLIN,
            ("queryError", "EXPECTED_FILTERS_ON_DATE_RANGE"),
        ),
        (
            "SELECT segments.date, metrics.clicks FROM campaign WHERE segments.date >= '2026-11-01'",
            BERLIN,
            ("queryError", "EXPECTED_FILTERS_ON_DATE_RANGE"),
        ),
        (
            "SELECT metrics.clicks FROM campaign WHERE segments.date = '2026-13-01'",
            BERLIN,
            ("queryError", "INVALID_DATE_FORMAT"),
        ),
        (
            "SELECT metrics.clicks FROM campaign WHERE segments.date BETWEEN '2022-01-01' AND '2026-11-01'",
            BERLIN,
            ("dateRangeError", "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED"),
        ),
    ],
)
def test_what_the_api_would_not_run_is_refused(text: str, account: Account, expected: tuple[str, str]) -> None:
    assert refusal(text, account) == expected
