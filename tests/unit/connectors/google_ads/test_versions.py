"""The alarm before a version of the API ends."""

from datetime import date, timedelta

import pytest

from connectors.google_ads.versions import ALARM_DAYS, ENDS, warning


def test_it_is_quiet_until_sixty_days_before_the_end() -> None:
    end = ENDS["v23"]
    assert ALARM_DAYS == 60
    assert warning("v23", end - timedelta(days=61)) is None
    assert warning("v23", end - timedelta(days=60)) == (
        "Google Ads API v23 ends on 2027-02-01; set google_ads.api_version to v26"
    )


def test_a_version_that_has_ended_is_told_as_ended() -> None:
    assert "v22 ended on 2026-10-07" in (warning("v22", date(2026, 11, 21)) or "")


def test_the_newest_version_is_not_told_to_move_to_itself() -> None:
    said = warning("v26", date(2027, 10, 1)) or ""
    assert said.endswith("set google_ads.api_version to a later version")


@pytest.mark.parametrize("version", ["v99", "v1", ""])
def test_an_unknown_version_is_left_to_the_api(version: str) -> None:
    assert warning(version, date(2027, 10, 1)) is None
