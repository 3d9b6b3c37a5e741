"""The views over known rows: figures to the cent, rates of sums, null where nothing can be divided by."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from connectors.clickhouse.client import connected, rows
from connectors.settings import Settings
from schemas.tables import VIEWS
from schemas.topics import ALERTS_BUDGET, CAMPAIGNS, TOTALS
from tests.integration.clickhouse_rows import (
    DAY_MS,
    HOUR_MS,
    NOON_MS,
    alert,
    campaign,
    database,
    records,
    store,
    total,
)

TODAY_MS = NOON_MS - DAY_MS // 2
TODAY = datetime.fromtimestamp(TODAY_MS / 1000, UTC).date()
Put = Callable[..., None]


@pytest.fixture
def settings(clickhouse_http: int, unique_name: Callable[[str], str]) -> Iterator[Settings]:
    with database(clickhouse_http, unique_name("views")) as made:
        yield made


@pytest.fixture
def put(settings: Settings) -> Put:
    """Stores totals, one block."""
    position = 0

    def stored(*totals: dict[str, Any]) -> None:
        nonlocal position
        store(settings, TOTALS, 0, records(totals, first=position))
        position += len(totals)

    return stored


def view(settings: Settings, sql: str) -> list[dict[str, Any]]:
    with connected(settings) as client:
        return rows(client, sql)


def test_amounts_are_exact_and_rates_come_from_sums(settings: Settings, put: Put) -> None:
    put(
        total(
            impressions=2_000,
            clicks=50,
            spend_micros=33_333_333,
            conversions_micros=2_500_000,
            revenue_micros=100_000_000,
        )
    )
    (row,) = view(settings, "SELECT * FROM insights")
    assert row["spend"] == Decimal("33.333333")
    assert (row["conversions"], row["revenue"]) == (Decimal("2.5"), Decimal(100))
    assert (row["ctr"], row["cvr"]) == (2.5, 5.0)  # percent
    assert row["cpc"] == pytest.approx(0.66666666)
    assert row["cpm"] == pytest.approx(16.6666665)
    assert row["cpa"] == pytest.approx(13.3333332)
    assert row["roas"] == pytest.approx(3.00000003)
    assert row["roi"] == pytest.approx(200.000003)
    assert (row["day"], row["basis"], row["campaign_name"]) == (TODAY, "reported", "7")


def test_a_zero_denominator_is_null_and_never_zero(settings: Settings, put: Put) -> None:
    put(total())
    (row,) = view(settings, "SELECT ctr, cpc, cpm, cpa, cvr, roas, roi FROM insights")
    assert set(row.values()) == {None}


def test_the_highest_version_is_shown_and_bases_stay_apart(settings: Settings, put: Put) -> None:
    put(total(clicks=1, version=8))
    put(total(clicks=5, version=4))  # an older one that comes later
    put(total(clicks=7, version=4, basis="counted"))
    found = view(settings, "SELECT basis, clicks FROM insights ORDER BY basis")
    assert found == [{"basis": "counted", "clicks": 7}, {"basis": "reported", "clicks": 1}]


def test_the_registry_names_the_campaign_and_its_project(settings: Settings, put: Put) -> None:
    store(settings, CAMPAIGNS, 0, records([campaign(), campaign(version=8, name="Brand")]))
    put(total(), total(campaign_id="8", campaign_name="As reported"))
    found = view(settings, "SELECT campaign_name, project_id FROM insights ORDER BY campaign_id")
    assert [tuple(row.values()) for row in found] == [("Brand", "shop"), ("As reported", "")]


def test_the_day_is_that_of_the_account(settings: Settings, put: Put) -> None:
    put(total(zone="Asia/Kolkata", start_ms=TODAY_MS - HOUR_MS * 11 // 2))
    assert view(settings, "SELECT day FROM insights") == [{"day": TODAY}]


def test_the_daily_report_compares_with_the_day_before_only(settings: Settings, put: Put) -> None:
    put(
        *(
            total(start_ms=TODAY_MS - back * DAY_MS, spend_micros=spend, daily_budget_micros=20_000_000)
            for back, spend in ((3, 4_000_000), (1, 8_000_000), (0, 10_000_000))
        )
    )
    found = view(settings, "SELECT day, spend_before, spend_change, budget_share FROM daily_report ORDER BY day DESC")
    assert [(row["spend_before"], row["spend_change"], row["budget_share"]) for row in found] == [
        (Decimal(8), pytest.approx(25.0), 50.0),
        (None, None, 40.0),
        (None, None, 20.0),
    ]


def test_creatives_are_ranked_within_their_day_and_currency(settings: Settings, put: Put) -> None:
    def ad(ad_id: str, spend: int, currency: str = "EUR") -> dict[str, Any]:
        return total(level="ad", ad_group_id="5", ad_id=ad_id, spend_micros=spend, currency=currency, impressions=10)

    put(ad("1", 5), ad("2", 9), ad("3", 7, "USD"), total(spend_micros=99))
    found = view(settings, "SELECT ad_id, spend_rank FROM top_creatives ORDER BY ad_id")
    assert [tuple(row.values()) for row in found] == [("1", 2), ("2", 1), ("3", 1)]


def test_pacing_measures_against_an_even_spend_and_shared_budgets_together(settings: Settings, put: Put) -> None:
    shared = {"daily_budget_micros": 24_000_000, "budget_id": "b", "budget_shared": True}
    put(
        total(campaign_id="1", spend_micros=6_000_000, as_of_ms=TODAY_MS + 6 * HOUR_MS, **shared),
        total(campaign_id="2", spend_micros=3_000_000, as_of_ms=TODAY_MS + 6 * HOUR_MS, **shared),
        total(campaign_id="3", spend_micros=1_000_000, as_of_ms=TODAY_MS, daily_budget_micros=5_000_000),
        total(campaign_id="4", spend_micros=1_000_000),  # no budget, no pace
    )
    found = view(settings, "SELECT * FROM pacing ORDER BY campaign_id")
    assert [row["campaign_id"] for row in found] == ["1", "2", "3"]
    first, _, fresh = found
    assert (first["budget_spend"], first["spend"]) == (Decimal(9), Decimal(6))
    assert (first["elapsed_share"], first["expected_spend"], first["pace"]) == (25.0, 6.0, 150.0)
    assert first["projected_spend"] == 36.0
    assert (fresh["pace"], fresh["projected_spend"]) == (None, None)  # the day has only begun


def test_open_alerts_are_those_that_fire_or_were_amended(settings: Settings) -> None:
    store(
        settings,
        ALERTS_BUDGET,
        0,
        records(
            [
                alert(alert_id="a", event_id="1"),
                alert(alert_id="b", event_id="2"),
                alert(alert_id="b", event_id="3", version=2, transition="resolved"),
                alert(alert_id="c", event_id="4"),
                alert(alert_id="c", event_id="5", version=2, transition="amended", current_value=95.0),
                alert(alert_id="d", event_id="6"),
                alert(alert_id="d", event_id="7", version=2, transition="retracted"),
            ]
        ),
    )
    found = view(settings, "SELECT alert_id, current_value, spend_at_risk FROM open_alerts ORDER BY alert_id")
    assert [tuple(row.values()) for row in found] == [("a", 91.5, Decimal("1.5")), ("c", 95.0, Decimal("1.5"))]


def test_blended_roas_is_a_ratio_of_sums_per_currency(settings: Settings, put: Put) -> None:
    put(
        total(campaign_id="1", spend_micros=1_000_000, revenue_micros=10_000_000),
        total(campaign_id="2", platform="meta", spend_micros=9_000_000, revenue_micros=9_000_000),
        total(campaign_id="3", spend_micros=5_000_000, revenue_micros=0, currency="USD"),
        total(campaign_id="4", spend_micros=5_000_000, basis="counted"),
    )
    found = view(
        settings,
        "SELECT basis, currency, platforms, spend, roas FROM blended_roas WHERE project = 'all' ORDER BY ALL",
    )
    assert [tuple(row.values()) for row in found] == [
        ("counted", "EUR", "all", Decimal(5), 0.0),
        ("counted", "EUR", "google_ads", Decimal(5), 0.0),
        ("reported", "EUR", "all", Decimal(10), 1.9),
        ("reported", "EUR", "google_ads", Decimal(1), 10.0),
        ("reported", "EUR", "meta", Decimal(9), 1.0),
        ("reported", "USD", "all", Decimal(5), 0.0),
        ("reported", "USD", "google_ads", Decimal(5), 0.0),
    ]


def test_ad_reporting_has_the_columns_analysts_know_and_says_the_level(settings: Settings, put: Put) -> None:
    put(
        total(clicks=5, spend_micros=1_500_000, conversions_micros=500_000, revenue_micros=2_000_000),
        total(level="ad", ad_group_id="5", ad_id="9", clicks=3),
        total(window="1h", clicks=5),  # hours are not days
    )
    campaign_row, ad_row = view(settings, "SELECT * FROM ad_reporting ORDER BY ad_id")
    assert list(campaign_row)[:11] == [
        "date_day", "platform", "account_id", "campaign_id", "ad_group_id", "ad_id",
        "clicks", "impressions", "spend", "conversions", "conversions_value",
    ]  # fmt: skip
    assert (campaign_row["level"], campaign_row["clicks"], campaign_row["ad_id"]) == ("campaign", 5, "")
    assert (campaign_row["spend"], campaign_row["conversions"]) == (Decimal("1.5"), Decimal("0.5"))
    assert campaign_row["conversions_value"] == Decimal(2)
    assert (ad_row["level"], ad_row["clicks"], ad_row["ad_group_id"], ad_row["ad_id"]) == ("ad", 3, "5", "9")
    assert isinstance(ad_row["date_day"], date)


def test_totals_as_known_at_an_instant_are_those_that_stood_then(settings: Settings, put: Put) -> None:
    put(
        total(clicks=1, version=4, as_of_ms=NOON_MS),
        total(clicks=5, version=8, as_of_ms=NOON_MS + HOUR_MS),
        total(clicks=3, version=12, as_of_ms=NOON_MS + 2 * HOUR_MS),  # restated downwards
        total(campaign_id="8", clicks=9, as_of_ms=NOON_MS + 2 * HOUR_MS),
    )

    def known_at(ms: int) -> list[tuple[Any, ...]]:
        at = datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        found = view(settings, f"SELECT campaign_id, clicks FROM totals_as_known_at(t = '{at}') ORDER BY campaign_id")
        return [tuple(row.values()) for row in found]

    assert known_at(NOON_MS - 1000) == []
    assert known_at(NOON_MS) == [("7", 1)]
    assert known_at(NOON_MS + HOUR_MS + 60_000) == [("7", 5)]
    assert known_at(NOON_MS + 2 * HOUR_MS) == [("7", 3), ("8", 9)]


def test_every_view_exists_and_names_the_basis(settings: Settings) -> None:
    sql = """
    SELECT table, countIf(name = 'basis') AS basis
    FROM system.columns
    WHERE database = currentDatabase() AND table IN (SELECT name FROM system.tables
        WHERE database = currentDatabase() AND engine = 'View')
    GROUP BY table
    """
    found = {row["table"]: row["basis"] for row in view(settings, sql)}
    parameterised = {"totals_as_known_at"}  # its columns are those of totals_history
    names = {row["name"] for row in view(settings, "SHOW TABLES")}
    assert set(VIEWS) <= names
    assert found == dict.fromkeys(set(VIEWS) - parameterised, 1)
