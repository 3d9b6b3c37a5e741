"""One market over HTTP, from the first read of it to the last, with faults, kills and restatements on the way."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from connectors.clock import Clock
from connectors.simulator.account import BERLIN, NEW_YORK, SERVING
from schemas.raw import Report
from schemas.topics import FEEDS, RAW_GOOGLE_ADS
from tests.system import PROGRAM, System

SPEED = 480.0  # an hour, for which a stopped account rests, is an eighth of a minute
INTERVAL_S = 3.0  # real, between two runs
CAMPAIGNS, PAGE_ROWS = 9, 15
ACCOUNTS = {account.account_id: account for account in SERVING}
PLACES = {(account_id, str(report)) for account_id in ACCOUNTS for report in Report}
DATED = (Report.CAMPAIGN_DAY, Report.CAMPAIGN_HOUR, Report.AD_DAY)


@dataclass
class Story:
    """One market from the first read to the last, and what was seen on the way."""

    running: System
    clock: Clock
    url: str
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def truth(self) -> Path:
        return self.running.directory / "truth.ndjson"

    def order(self, **fault: Any) -> None:
        answered = httpx.post(f"{self.url}/_sim/faults", json=fault, timeout=10)
        assert answered.status_code == 204, answered.text

    def feeds(self) -> dict[tuple[str, str], dict[str, Any]]:
        """(account, report) -> the newest."""
        found = [json.loads(message.value or b"") for message in self.running.read(FEEDS)]
        found.sort(key=lambda feed: feed["at_ms"])
        return {(feed["account_id"], feed["report"]): feed for feed in found}

    def raw(self, kind: str = "") -> list[dict[str, Any]]:
        found = [json.loads(message.value or b"") for message in self.running.read(RAW_GOOGLE_ADS)]
        return [value for value in found if kind in ("", value["kind"])]

    def until(self, what: str, holds: Callable[[], Any], limit_s: float = 60) -> Any:
        deadline = time.monotonic() + limit_s
        while not (found := holds()):
            assert time.monotonic() < deadline, (
                f"{what}\n{self.feeds()}\n{self.running.log('google-ads')[-3000:]}\n{self.running.log('simulator')[-800:]}"
            )
            time.sleep(0.2)
        return found

    def read_since(self, at_ms: int, places: set[tuple[str, str]] = PLACES) -> bool:
        """Every one of these has been read by a read that began after the instant."""
        feeds = self.feeds()
        return all(
            place in feeds and feeds[place]["state"] == "ok" and feeds[place]["last_ok_ms"] > at_ms for place in places
        )

    def until_read(self, what: str, places: set[tuple[str, str]] = PLACES, limit_s: float = 60) -> None:
        now_ms = self.clock.now_ms()
        self.until(what, lambda: self.read_since(now_ms, places), limit_s)


def tell(story: Story) -> None:
    """What happens to the source, in order. A restart waits for the connector to be there again by itself."""
    kill_in_the_first_read(story)
    slow_answers(story)
    one_account_is_closed(story)
    rows_vanish_and_are_restated(story)
    the_refresh_token_is_revoked(story)
    the_broker_goes_away(story)
    story.running.supervisor.stop_part("google-ads")
    last = subprocess.run(
        [*PROGRAM, "connect", "google-ads", "--once"],
        env={**os.environ, **story.running.environment},
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
    )
    assert last.returncode == 0, last.stderr


def kill_in_the_first_read(story: Story) -> None:
    """Twice by kill -9 and once by SIGTERM, each time with rows on the topic whose report is not complete."""
    story.running.start("google-ads-slow", "connect", "google-ads", PULSE_GOOGLE_ADS__REQUESTS_PER_SECOND="4")
    ends: list[Callable[[], object]] = [
        lambda: story.running.kill("google-ads-slow"),
        lambda: story.running.kill("google-ads-slow"),
        lambda: story.running.supervisor.stop_part("google-ads-slow"),
    ]
    rows = 0
    for end in ends:
        story.until("rows", partial(lambda before: len(story.raw("row")) > before + PAGE_ROWS, rows))
        end()
        rows = len(story.raw("row"))
    complete = {value["run_id"] for value in story.raw("report_complete")}
    story.seen["cut off"] = {value["run_id"] for value in story.raw("row")} - complete
    story.running.start("google-ads", "connect", "google-ads")
    story.until("the first complete read", lambda: story.read_since(0), 90)


def slow_answers(story: Story) -> None:
    for fault in (
        {"kind": "answer", "status": 429, "retry_delay": "2s", "count": 2, "account_id": BERLIN.account_id},
        {"kind": "answer", "status": 503, "count": 3},
        {"kind": "expire_tokens"},
        {"kind": "truncate", "count": 2},
        {"kind": "expire_pages", "count": 1},
        {"kind": "outage", "until_ms": story.clock.now_ms() + int(3_000 * SPEED)},
    ):
        story.order(**fault)
    story.until_read("reads through 429, 503, cut answers, ended tokens and an outage", limit_s=90)


def one_account_is_closed(story: Story) -> None:
    closed = NEW_YORK.account_id
    others = {place for place in PLACES if place[0] != closed}
    story.order(kind="close_account", account_id=closed)
    story.until("the closed account", lambda: story.feeds()[closed, "entity"]["state"] == "stopped")
    story.until_read("the others, meanwhile", others)
    story.until_read("the others, again", others)
    story.seen["closed"] = story.feeds()
    story.order(kind="clear")
    story.until_read("the account, open again", limit_s=90)


def rows_vanish_and_are_restated(story: Story) -> None:
    """Of the day that has just begun or the one before, which every run reads again."""
    days = [
        value["row"]
        for value in story.raw("row")
        if value["report"] == "campaign_day" and value["account_id"] == BERLIN.account_id
        and int(value["row"]["metrics"].get("costMicros", 0)) > 0
    ]  # fmt: skip
    newest = max(row["segments"]["date"] for row in days)
    names = sorted({row["campaign"]["id"] for row in days if row["segments"]["date"] == newest})
    gone, less = names[0], names[1]
    story.seen |= {"day": newest, "gone": gone, "less": less}
    place = {"account_id": BERLIN.account_id, "day": newest}
    story.order(kind="vanish", campaign_id=gone, **place)
    story.order(kind="restate", campaign_id=less, cost_per_mille=500, clicks_per_mille=500, **place)
    story.until("the vanished day", lambda: [
        value for value in story.raw("vanished")
        if value["report"] == "campaign_day" and value["row"]["campaign"]["id"] == gone
    ])  # fmt: skip
    story.until_read("the day without it")


def the_refresh_token_is_revoked(story: Story) -> None:
    story.order(kind="revoke_refresh_token")
    story.until("every account stopped", lambda: {feed["state"] for feed in story.feeds().values()} == {"stopped"}, 60)
    story.seen["revoked"] = story.feeds()
    story.order(kind="clear")
    story.until_read("every account, with the token again", limit_s=90)


def the_broker_goes_away(story: Story) -> None:
    """kill -9 of the broker; its supervisor starts it again. The connector's process waits and goes on."""
    before = story.running.pid("google-ads")
    assert story.running.kill("kafka")
    time.sleep(3)
    story.running.kafka.wait_ready()
    story.until_read("every account, with the broker again", limit_s=90)
    assert story.running.pid("google-ads") == before
