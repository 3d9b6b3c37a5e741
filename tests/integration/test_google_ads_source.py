"""The Google Ads source on real parts: the simulator's HTTP, the broker, a worker, ClickHouse; faults and kills."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

from connectors.clock import Clock
from connectors.kafka import partition_of
from connectors.local.ports import HOST, choose_ports
from connectors.simulator.account import BERLIN, NEW_YORK
from connectors.simulator.gaql import parse
from connectors.simulator.google_ads_query import answer
from connectors.simulator.truth import entries
from connectors.simulator.truth_figures import RowKey, market_of, served_figures
from schemas.raw import Report
from schemas.topics import CURSORS, RAW_GOOGLE_ADS
from tests.integration.google_ads_story import (
    ACCOUNTS,
    CAMPAIGNS,
    DATED,
    INTERVAL_S,
    PAGE_ROWS,
    PLACES,
    SPEED,
    Story,
    tell,
)
from tests.system import Message, system

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    now_ms = time.time_ns() // 1_000_000
    clock = Clock(anchor_real_ms=now_ms, anchor_ms=now_ms, speed=SPEED)
    directory = tmp_path_factory.mktemp("google")
    port = choose_ports(directory / "market-ports.json", {"simulator": 0})["simulator"]
    url = f"http://{HOST}:{port}"
    environment = {
        "PULSE_CLOCK": clock.to_environment(),
        "PULSE_GOOGLE_ADS__ENABLED": "true",
        "PULSE_GOOGLE_ADS__BASE_URL": url,
        "PULSE_GOOGLE_ADS__TOKEN_URL": f"{url}/token",
        "PULSE_GOOGLE_ADS__CLIENT_ID": "sim-client",
        "PULSE_GOOGLE_ADS__CLIENT_SECRET": "sim-secret",
        "PULSE_GOOGLE_ADS__REFRESH_TOKEN": "sim-refresh",
        "PULSE_GOOGLE_ADS__LOGIN_CUSTOMER_ID": "9000000001",
        "PULSE_GOOGLE_ADS__INTERVAL_S": str(INTERVAL_S * SPEED),
        "PULSE_GOOGLE_ADS__REQUESTS_PER_SECOND": "20",
    }
    with system(directory, environment) as running:
        running.workers(1)
        running.start("sink", "sink")
        story = Story(running, clock, url)
        running.start(
            "simulator", "simulate", "--port", str(port), "--truth", str(story.truth), "--no-outages",
            "--campaigns", str(CAMPAIGNS), "--page-rows", str(PAGE_ROWS),
        )  # fmt: skip
        tell(story)
        running.drain()
        yield story


# -- what must be true of it -----------------------------------------------------------------------------------


def rows_of(story: Story) -> list[tuple[Message, dict[str, Any]]]:
    found = [(message, json.loads(message.value or b"")) for message in story.running.read(RAW_GOOGLE_ADS)]
    return [(message, value) for message, value in found if value["kind"] == "row"]


def test_rows_are_filed_under_their_campaign_at_the_time_they_were_fetched(story: Story) -> None:
    for message, value in rows_of(story):
        row = value["row"]
        assert message.key == f"google_ads:{row['customer']['id']}:{row['campaign']['id']}".encode()
        assert message.partition == partition_of(message.key, 4)
        assert message.timestamp == value["fetched_at_ms"]
        assert row["customer"]["id"] == value["account_id"]


def test_rows_are_byte_for_byte_what_the_platform_answered(story: Story) -> None:
    market = market_of(story.truth)
    served = [entry for entry in entries(story.truth) if entry["kind"] == "served" and entry["report"] in DATED]
    told: set[bytes] = set()
    for entry in served[-40:]:
        account = market.accounts[entry["account_id"]]
        rows = answer(market, account, parse(entry["query"]), entry["as_of_ms"])
        told |= {orjson.dumps(row) for row in rows[entry["offset"] : entry["offset"] + entry["rows"]]}
    newest: dict[tuple[str, str], str] = {}
    found = [(message, value) for message, value in rows_of(story) if value["report"] in DATED]
    for _, value in found:
        newest[value["account_id"], value["report"]] = value["run_id"]
    kept = [
        (message.value or b"").partition(b'"row":')[2][:-1]
        for message, value in found
        if newest[value["account_id"], value["report"]] == value["run_id"]
    ]
    assert len(kept) > 100
    assert set(kept) <= told


def test_a_kill_in_the_middle_of_a_read_loses_nothing(story: Story) -> None:
    assert len(story.seen["cut off"]) >= len(ACCOUNTS)
    assert not story.seen["cut off"] & {value["run_id"] for value in story.raw("report_complete")}
    complete = [value for value in story.raw("report_complete") if value["report"] == "campaign_hour"]
    first = {value["account_id"]: (value["since"], value["until"]) for value in reversed(complete)}
    for since, until in first.values():  # read again from its beginning: the cursor had not moved
        assert datetime.fromisoformat(until) - datetime.fromisoformat(since) == timedelta(days=7)


def test_every_completion_is_on_every_partition_behind_its_rows_and_every_cursor_behind_it(story: Story) -> None:
    complete: dict[tuple[str, str, int], dict[int, int]] = {}
    last_row: dict[tuple[str, int], int] = {}
    for message in story.running.read(RAW_GOOGLE_ADS):
        value = json.loads(message.value or b"")
        if value["kind"] == "report_complete":
            run = (value["account_id"], value["report"], value["fetched_at_ms"])
            complete.setdefault(run, {})[message.partition] = message.offset
            assert message.offset > last_row.get((value["run_id"], message.partition), -1)
        else:
            last_row[value["run_id"], message.partition] = message.offset
    cursors = [message for message in story.running.read(CURSORS) if (message.key or b"").count(b"|") == 2]
    assert len(cursors) >= len(PLACES)
    for message in cursors:
        _, account_id, report = (message.key or b"").decode().split("|")
        read_ms = json.loads(message.value or b"")["read_ms"]
        assert set(complete[account_id, report, read_ms]) == set(range(4))


def test_refusals_are_obeyed_and_the_delay_is_kept(story: Story) -> None:
    refusals = [entry for entry in entries(story.truth) if entry["kind"] == "refused"]
    waited = [
        entry["at_ms"]
        for entry in refusals
        if entry["code"] == "RESOURCE_TEMPORARILY_EXHAUSTED" and entry["account_id"] == BERLIN.account_id
    ]
    assert len(waited) == 2
    assert (waited[1] - waited[0]) / 1000 / SPEED >= 1.9
    between = [entry for entry in entries(story.truth) if waited[0] < entry.get("at_ms", 0) < waited[1]]
    assert BERLIN.account_id not in {entry["account_id"] for entry in between}
    codes = {(entry["status"], entry["code"]) for entry in refusals}
    assert codes >= {(503, ""), (403, "CUSTOMER_NOT_ENABLED"), (400, "EXPIRED_PAGE_TOKEN")}


def test_a_closed_account_says_so_and_the_others_go_on(story: Story) -> None:
    for (account_id, _), feed in story.seen["closed"].items():
        if account_id == NEW_YORK.account_id:
            assert feed["state"] == "stopped"
            assert "not enabled" in feed["detail"]
        else:
            assert feed["state"] == "ok"


def test_a_revoked_token_stops_every_account_with_a_sentence_and_tells_no_secret(story: Story) -> None:
    for feed in story.seen["revoked"].values():
        assert feed["state"] == "stopped"
        assert "google_ads.refresh_token" in feed["detail"]
        assert feed["last_ok_ms"] is not None
    log = story.running.log("google-ads")
    assert "sim-secret" not in log
    assert "sim-refresh" not in log


def test_feed_health_is_in_clickhouse(story: Story) -> None:
    found = story.running.sql("SELECT account_id, report, state FROM feed_health FINAL")
    assert {(row["account_id"], row["report"]) for row in found} == PLACES
    assert {row["state"] for row in found} == {"ok"}
    kinds = story.running.sql("SELECT DISTINCT state FROM feed_history")
    assert {row["state"] for row in kinds} >= {"ok", "stopped"}


def test_a_vanished_day_is_a_zero_revision(story: Story) -> None:
    [total] = story.running.sql(
        "SELECT impressions, clicks, spend_micros, conversions_micros, revision FROM totals FINAL "
        "WHERE window = '1d' AND basis = 'reported' AND campaign_id = {c:String} AND day = {d:String}",
        c=story.seen["gone"],
        d=story.seen["day"],
    )
    revision = total.pop("revision")
    assert set(total.values()) == {0}
    assert revision > 0


@pytest.mark.parametrize("report", DATED)
def test_the_totals_are_what_the_platform_served_last(story: Story, report: Report) -> None:
    served = {key: figures for key, figures in served_figures(story.truth, report).items() if any(figures)}
    window = "1h" if report is Report.CAMPAIGN_HOUR else "1d"
    table = "creative_totals" if report is Report.AD_DAY else "totals"
    found = story.running.sql(
        "SELECT account_id, campaign_id, ad_group_id, ad_id, toString(day) AS day, zone, "
        "toUnixTimestamp64Milli(start) AS start_ms, impressions, clicks, spend_micros, conversions_micros, "
        f"revenue_micros, video_views FROM {table} FINAL WHERE basis = 'reported' AND window = {{w:String}}",
        w=window,
    )
    ours = {}
    for row in found:
        hour = datetime.fromtimestamp(row["start_ms"] / 1000, UTC).astimezone(ZoneInfo(row["zone"])).hour
        key = RowKey(
            row["account_id"], row["campaign_id"], row["ad_group_id"], row["ad_id"], row["day"],
            hour if window == "1h" else -1,
        )  # fmt: skip
        figures = (
            row["impressions"], row["clicks"], row["spend_micros"], row["conversions_micros"], row["revenue_micros"],
            row["video_views"],
        )  # fmt: skip
        if any(figures):
            ours[key] = figures
    expected = {
        key: (f.impressions, f.clicks, f.cost_micros, f.conversions_micros, f.value_micros, f.video_views)
        for key, f in served.items()
        if any((f.impressions, f.clicks, f.cost_micros, f.conversions_micros, f.value_micros, f.video_views))
    }
    assert len(ours) > len(ACCOUNTS) * 7
    assert ours == expected


def test_the_recount_agrees(story: Story) -> None:
    found = story.running.verify()
    assert (found["lost"], found["duplicated"], found["drift_micros"], found["differences"]) == (0, 0, 0, [])
    assert found["checked"] > 500
    assert story.running.sql("SELECT count() AS n FROM dead_letters FINAL")[0]["n"] == 0
