"""The truth file: what was served, and the figures a reader must hold."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.simulator.campaign import Role
from connectors.simulator.faults import Restate, Vanish
from connectors.simulator.google_ads_service import GoogleAdsService
from connectors.simulator.market import Market
from connectors.simulator.market_settings import MINUTE_MS, MarketSettings
from connectors.simulator.restatement import Restatement
from connectors.simulator.server import open_market
from connectors.simulator.truth import Truth, digest, entries, settings_of
from connectors.simulator.truth_figures import RowKey, final_figures, market_of, served_figures
from pipeline.errors import Misconfigured

NOW_MS = 1_795_244_400_000  # 2026-11-21 07:00 UTC
SETTINGS = MarketSettings(anchor_ms=NOW_MS, outages=False, restated_per_mille=0)
ACCOUNT, MANAGER = "1000000001", "9000000001"
DAY = "2026-11-20"
QUERY = (
    "SELECT customer.id, campaign.id, segments.date, metrics.impressions, metrics.clicks, metrics.cost_micros, "
    "metrics.conversions, metrics.conversions_value FROM campaign "
    f"WHERE segments.date BETWEEN '2026-11-19' AND '{DAY}'"
)


class Reader:
    """Reads the service as a client would, at instants the test sets."""

    def __init__(self, path: Path, page_rows: int = 5) -> None:
        self.now_ms = NOW_MS
        self.market = Market(SETTINGS)
        self.service = GoogleAdsService(
            self.market, lambda: self.now_ms, page_rows=page_rows, truth=Truth(path, SETTINGS)
        )

    def read(self, pages: int = 99) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        token = ""
        for _ in range(pages):
            body = orjson.dumps({"query": QUERY, "pageToken": token})
            page, _, _ = self.service.search(ACCOUNT, MANAGER, body)
            rows += page.rows
            if page.token is None:
                break
            token = page.token
        return rows


def cost_by_key(rows: list[dict[str, Any]]) -> dict[RowKey, int]:
    return {
        RowKey(ACCOUNT, row["campaign"]["id"], "", "", row["segments"]["date"], -1): int(row["metrics"]["costMicros"])
        for row in rows
    }


def held(path: Path) -> dict[RowKey, int]:
    return {key: figures.cost_micros for key, figures in served_figures(path, "campaign_day").items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "truth.ndjson"


def test_every_page_is_recorded_with_its_digest_and_sums(path: Path) -> None:
    rows = Reader(path).read()
    served = [entry for entry in entries(path) if entry["kind"] == "served"]
    assert [entry["offset"] for entry in served] == [0, 5, 10]
    assert [entry["last"] for entry in served] == [False, False, True]
    assert {entry["as_of_ms"] for entry in served} == {NOW_MS}
    assert served[0]["digest"] == digest(rows[:5])
    assert served[0]["report"] == "campaign_day"
    assert sum(entry["sums"]["cost_micros"] for entry in served) == sum(cost_by_key(rows).values())


def test_a_reader_holds_what_it_was_served_last(path: Path) -> None:
    reader = Reader(path)
    reader.read()
    campaign = reader.market.by_role(Role.HIGH_CPC).campaign_id
    reader.service.order(Restate(kind="restate", account_id=ACCOUNT, campaign_id=campaign, day=DAY, cost_per_mille=500))
    reader.now_ms += MINUTE_MS
    rows = reader.read()
    assert held(path) == cost_by_key(rows)


def test_a_row_absent_from_the_newest_complete_read_is_held_no_more(path: Path) -> None:
    reader = Reader(path)
    before = cost_by_key(reader.read())
    campaign = reader.market.by_role(Role.HIGH_CPC).campaign_id
    reader.now_ms += MINUTE_MS
    reader.service.order(Vanish(kind="vanish", account_id=ACCOUNT, campaign_id=campaign, day=DAY))
    reader.read()
    gone = RowKey(ACCOUNT, campaign, "", "", DAY, -1)
    assert gone in before
    assert set(held(path)) == set(before) - {gone}


def test_pages_of_a_read_that_broke_off_count_row_by_row(path: Path) -> None:
    reader = Reader(path)
    first = cost_by_key(reader.read())
    for campaign in reader.market.campaigns_of(ACCOUNT):
        change = Restate(
            kind="restate",
            account_id=ACCOUNT,
            campaign_id=campaign.campaign_id,
            day=DAY,
            cost_per_mille=2000,
            from_ms=NOW_MS + 1,
        )
        reader.service.order(change)
    reader.now_ms += MINUTE_MS
    partial = cost_by_key(reader.read(pages=1))
    assert any(first[key] != cost for key, cost in partial.items())
    assert held(path) == {**first, **partial}


def test_the_final_figures_are_those_of_the_market_when_all_has_settled(path: Path) -> None:
    reader = Reader(path)
    reader.read()
    campaign = reader.market.by_role(Role.RESTATED_BELOW)
    final = final_figures(path)
    long_after_ms = NOW_MS + 1000 * 86_400_000
    assert final[RowKey(ACCOUNT, campaign.campaign_id, "", "", DAY, -1)] == reader.market.day(
        campaign, date(2026, 11, 20), long_after_ms
    )
    assert {key.day for key in final} == {"2026-11-19", DAY}


def test_a_second_start_goes_on_with_the_first_one_s_market(path: Path) -> None:
    reader = Reader(path)
    campaign = reader.market.by_role(Role.HIGH_CPC)
    reader.service.order(Vanish(kind="vanish", account_id=ACCOUNT, campaign_id=campaign.campaign_id, day=DAY))
    market, truth = open_market(replace(SETTINGS, anchor_ms=NOW_MS + 5 * MINUTE_MS), path)
    assert truth is not None
    truth.close()
    assert market.settings == SETTINGS
    assert not any(market.day(campaign, date(2026, 11, 20), NOW_MS))
    assert settings_of(path) == SETTINGS


def test_another_seed_on_the_same_file_is_refused(path: Path) -> None:
    Truth(path, SETTINGS).close()
    with pytest.raises(Misconfigured, match="seed 1 and 24 campaigns"):
        open_market(replace(SETTINGS, seed=2), path)


def test_a_file_that_is_no_truth_file_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.ndjson"
    other.write_text("hello\n")
    with pytest.raises(Misconfigured, match=r"other\.ndjson"):
        settings_of(other)


def test_a_line_cut_by_a_kill_is_dropped_and_the_file_goes_on(path: Path) -> None:
    reader = Reader(path)
    reader.read()
    whole = len(entries(path))
    with path.open("ab") as file:
        file.write(b'{"kind":"served","acc')
    assert len(entries(path)) == whole
    Truth(path, SETTINGS).restated(Restatement(ACCOUNT, "700001003", DAY, NOW_MS, 900))
    assert len(entries(path)) == whole + 1
    assert market_of(path).settings == SETTINGS
