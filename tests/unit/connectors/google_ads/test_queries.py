"""The GAQL of each report, checked by the simulator's own reading of the field reference."""

import re
from datetime import date

import pytest

from connectors.google_ads.queries import ACCOUNTS, CUSTOMER, query
from connectors.simulator.account import BERLIN, MANAGER, Account
from connectors.simulator.gaql import parse
from connectors.simulator.google_ads_query import check
from schemas.raw import Report

SINCE, UNTIL = date(2026, 11, 14), date(2026, 11, 21)


@pytest.mark.parametrize(
    ("text", "account"),
    [(query(report, SINCE, UNTIL), BERLIN) for report in Report] + [(ACCOUNTS, MANAGER), (CUSTOMER, BERLIN)],
)
def test_the_platform_takes_the_query(text: str, account: Account) -> None:
    check(parse(text), account)


@pytest.mark.parametrize("report", [Report.CAMPAIGN_DAY, Report.CAMPAIGN_HOUR, Report.AD_DAY])
def test_the_days_are_in_the_query_both_included(report: Report) -> None:
    assert query(report, SINCE, UNTIL).endswith("WHERE segments.date BETWEEN '2026-11-14' AND '2026-11-21'")


def test_hours_are_asked_for_where_the_platform_has_them() -> None:
    with_hours = {report for report in Report if "segments.hour" in query(report, SINCE, UNTIL)}
    assert with_hours == {Report.CAMPAIGN_HOUR}


@pytest.mark.parametrize("report", list(Report))
def test_no_field_is_asked_for_twice_and_none_was_renamed_away(report: Report) -> None:
    fields = re.findall(r"[a-z_]+(?:\.[a-z_]+)+", query(report, SINCE, UNTIL).partition(" FROM ")[0])
    assert len(fields) == len(set(fields))
    assert not {"metrics.video_views", "campaign.start_date", "campaign.end_date"} & set(fields)
