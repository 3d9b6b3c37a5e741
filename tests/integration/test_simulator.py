"""The simulator over real HTTP: what a connector and a shell see of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from connectors.simulator.campaign import Role
from connectors.simulator.market import Market
from connectors.simulator.market_settings import MINUTE_MS, MarketSettings
from connectors.simulator.outage import spell
from connectors.simulator.server import listen, serve
from connectors.simulator.truth import Truth, entries
from connectors.simulator.truth_figures import served_figures

ANCHOR_MS = 1_795_244_400_000  # 2026-11-21 07:00 UTC
MANAGER, BERLIN, NEW_YORK, CLOSED = "9000000001", "1000000001", "1000000002", "1000000009"
FORM = {
    "grant_type": "refresh_token",
    "client_id": "sim-client",
    "client_secret": "sim-secret",
    "refresh_token": "sim-refresh",
}
IDENTITY = "SELECT customer.id, campaign.id, campaign.name, segments.date"
METRICS = "metrics.impressions, metrics.clicks, metrics.cost_micros, metrics.conversions, metrics.conversions_value"
DAYS = "WHERE segments.date BETWEEN '2026-11-20' AND '2026-11-21'"
BY_DAY = f"{IDENTITY}, {METRICS} FROM campaign {DAYS}"
BY_HOUR = f"{IDENTITY}, segments.hour, {METRICS} FROM campaign {DAYS}"
AD_BY_DAY = f"{IDENTITY}, ad_group.id, ad_group_ad.ad.id, {METRICS} FROM ad_group_ad {DAYS}"
ENTITIES = "SELECT customer.id, campaign.id, campaign.status, campaign_budget.amount_micros FROM campaign"


@dataclass
class Simulator:
    """A running simulator whose clock the test holds, and a client that asks it."""

    http: httpx.AsyncClient
    market: Market
    truth_file: Path
    now_ms: int = ANCHOR_MS
    token: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    async def sign_in(self) -> None:
        answer = await self.http.post("/token", data=FORM)
        assert answer.status_code == 200
        assert answer.json()["expires_in"] == 3599
        self.token = answer.json()["access_token"]

    async def ask(self, query: str, account: str = BERLIN, *, version: int = 26, **body: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}", "login-customer-id": MANAGER, **self.headers}
        return await self.http.post(
            f"/v{version}/customers/{account}/googleAds:search", json={"query": query, **body}, headers=headers
        )

    async def rows(self, query: str, account: str = BERLIN) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token: str | None = ""
        while token is not None:
            answer = await self.ask(query, account, pageToken=token)
            assert answer.status_code == 200, answer.text
            found += answer.json().get("results", [])
            token = answer.json().get("nextPageToken")
        return found

    async def order(self, **fault: Any) -> None:
        answer = await self.http.post("/_sim/faults", json=fault)
        assert answer.status_code == 204, answer.text


@pytest_asyncio.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    settings = MarketSettings(anchor_ms=ANCHOR_MS, outages=False)
    market, truth_file, stop = Market(settings), tmp_path / "truth.ndjson", asyncio.Event()
    sock = listen("127.0.0.1", 0)
    base = f"http://127.0.0.1:{sock.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=base, timeout=20) as http:
        it = Simulator(http, market, truth_file)
        running = asyncio.ensure_future(
            serve(market, lambda: it.now_ms, sock, stop, truth=Truth(truth_file, settings), page_rows=10)
        )
        try:
            await it.sign_in()
            yield it
        finally:
            stop.set()
            await running


def failure(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    assert answer.headers["request-id"]
    detail = error["details"][0]
    assert detail["@type"].endswith("errors.GoogleAdsFailure")
    family, code = next(iter(detail["errors"][0]["errorCode"].items()))
    return answer.status_code, family, code


async def test_pages_hold_one_snapshot_however_much_time_passes_between_them(simulator: Simulator) -> None:
    first = (await simulator.ask(BY_HOUR, searchSettings={"returnTotalResultsCount": True})).json()
    assert len(first["results"]) == 10
    assert first["fieldMask"].startswith("customer.id,campaign.id,campaign.name,segments.date,segments.hour,metrics.")
    total = int(first["totalResultsCount"])
    at_once = await simulator.rows(BY_HOUR)
    assert len(at_once) == total > 100
    paged, token = list(first["results"]), first["nextPageToken"]
    while token:
        simulator.now_ms += MINUTE_MS
        page = (await simulator.ask(BY_HOUR, pageToken=token)).json()
        paged, token = paged + page["results"], page.get("nextPageToken")
    assert paged == at_once
    assert await simulator.rows(BY_HOUR) != at_once


async def test_every_report_of_the_connector_is_answered(simulator: Simulator) -> None:
    days, hours, ads = [await simulator.rows(query) for query in (BY_DAY, BY_HOUR, AD_BY_DAY)]

    def cost(rows: list[dict[str, Any]]) -> int:
        return sum(int(row["metrics"]["costMicros"]) for row in rows)

    assert cost(days) == cost(hours) > cost(ads) > 0
    entities = await simulator.rows(ENTITIES)
    assert {row["campaign"]["id"] for row in days} <= {row["campaign"]["id"] for row in entities}
    assert {row["campaign"]["status"] for row in entities} == {"ENABLED"}


async def test_the_accounts_are_found_through_the_manager(simulator: Simulator) -> None:
    bearer = {"authorization": f"Bearer {simulator.token}"}
    roots = await simulator.http.get("/v26/customers:listAccessibleCustomers", headers=bearer)
    assert roots.json() == {"resourceNames": [f"customers/{MANAGER}"]}
    clients = await simulator.rows(
        "SELECT customer_client.id, customer_client.time_zone, customer_client.status FROM customer_client "
        "WHERE customer_client.status = 'ENABLED'",
        MANAGER,
    )
    zones = [row["customerClient"]["timeZone"] for row in clients]
    assert zones == ["Europe/Berlin", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]


async def test_the_caller_must_be_known_and_come_through_the_manager(simulator: Simulator) -> None:
    good, simulator.token = simulator.token, "sim.1.0.forged"
    assert failure(await simulator.ask(BY_DAY)) == (401, "authenticationError", "OAUTH_TOKEN_INVALID")
    simulator.token = good
    simulator.now_ms += 3600 * 1000
    assert failure(await simulator.ask(BY_DAY))[0] == 401
    await simulator.sign_in()
    assert (await simulator.ask(BY_DAY)).status_code == 200
    simulator.headers = {"login-customer-id": ""}
    assert failure(await simulator.ask(BY_DAY)) == (403, "authorizationError", "USER_PERMISSION_DENIED")
    assert failure(await simulator.ask(BY_DAY, "1234567890"))[2] == "USER_PERMISSION_DENIED"


async def test_a_wrong_refresh_token_and_a_revoked_one_are_invalid_grants(simulator: Simulator) -> None:
    wrong = await simulator.http.post("/token", data=FORM | {"refresh_token": "stale"})
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")
    await simulator.order(kind="revoke_refresh_token")
    revoked = await simulator.http.post("/token", data=FORM)
    assert (revoked.status_code, revoked.json()["error"]) == (400, "invalid_grant")
    assert failure(await simulator.ask(BY_DAY))[0] == 401
    await simulator.order(kind="clear")
    await simulator.sign_in()
    assert (await simulator.ask(BY_DAY)).status_code == 200


async def test_what_cannot_be_asked_is_refused_as_the_platform_does(simulator: Simulator) -> None:
    assert failure(await simulator.ask(BY_DAY, pageSize=100)) == (400, "requestError", "PAGE_SIZE_NOT_SUPPORTED")
    assert failure(await simulator.ask("SELECT campaign.colour FROM campaign"))[1:] == (
        "queryError",
        "UNRECOGNIZED_FIELD",
    )
    hourly_ads = AD_BY_DAY.replace("segments.date,", "segments.date, segments.hour,", 1)
    assert failure(await simulator.ask(hourly_ads))[2] == "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE"
    assert failure(await simulator.ask(BY_DAY, MANAGER))[2] == "REQUESTED_METRICS_FOR_MANAGER"
    assert failure(await simulator.ask(BY_DAY, CLOSED)) == (403, "authorizationError", "CUSTOMER_NOT_ENABLED")
    assert failure(await simulator.ask(BY_DAY, "100-000-0001"))[2] == "INVALID_CUSTOMER_ID"
    assert failure(await simulator.ask(BY_DAY, pageToken="rubbish"))[2] == "INVALID_PAGE_TOKEN"
    ended = await simulator.ask(BY_DAY, version=22)
    assert (ended.status_code, ended.json()["error"]["status"]) == (404, "NOT_FOUND")
    assert (await simulator.ask(BY_DAY, version=23)).status_code == 200


async def test_ordered_answers_are_given_once_each_and_to_the_named_account(simulator: Simulator) -> None:
    await simulator.order(kind="answer", status=429, count=2, account_id=BERLIN, retry_delay="7s")
    assert (await simulator.ask(BY_DAY, NEW_YORK)).status_code == 200
    busy = await simulator.ask(BY_DAY)
    assert failure(busy) == (429, "quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED")
    details = busy.json()["error"]["details"][0]["errors"][0]["details"]
    assert details["quotaErrorDetails"]["retryDelay"] == "7s"
    assert (await simulator.ask(BY_DAY)).status_code == 429
    assert (await simulator.ask(BY_DAY)).status_code == 200
    await simulator.order(kind="answer", status=429, daily=True)
    assert failure(await simulator.ask(BY_DAY))[2] == "RESOURCE_EXHAUSTED"
    await simulator.order(kind="answer", status=503)
    assert (await simulator.ask(BY_DAY)).json()["error"]["status"] == "UNAVAILABLE"
    await simulator.order(kind="answer", status=500)
    assert failure(await simulator.ask(BY_DAY))[1] == "internalError"
    refused = [entry["status"] for entry in entries(simulator.truth_file) if entry["kind"] == "refused"]
    assert refused == [429, 429, 429, 503, 500]


async def test_an_outage_lasts_until_its_instant_for_every_call(simulator: Simulator) -> None:
    await simulator.order(kind="outage", until_ms=ANCHOR_MS + MINUTE_MS)
    assert (await simulator.ask(BY_DAY)).status_code == 503
    assert (await simulator.http.post("/token", data=FORM)).status_code == 503
    simulator.now_ms = ANCHOR_MS + MINUTE_MS
    assert (await simulator.ask(BY_DAY)).status_code == 200


async def test_an_expired_page_token_a_cut_answer_and_a_closed_account_can_be_ordered(simulator: Simulator) -> None:
    token = (await simulator.ask(BY_HOUR)).json()["nextPageToken"]
    await simulator.order(kind="expire_pages")
    assert failure(await simulator.ask(BY_HOUR, pageToken=token)) == (400, "requestError", "EXPIRED_PAGE_TOKEN")
    assert (await simulator.ask(BY_HOUR, pageToken=token)).status_code == 200
    await simulator.order(kind="truncate")
    cut = await simulator.ask(BY_DAY)
    assert cut.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        cut.json()
    assert (await simulator.ask(BY_DAY)).json()["results"]
    await simulator.order(kind="expire_tokens")
    assert failure(await simulator.ask(BY_DAY))[0] == 401
    await simulator.sign_in()
    await simulator.order(kind="close_account", account_id=NEW_YORK)
    assert failure(await simulator.ask(BY_DAY, NEW_YORK))[2] == "CUSTOMER_NOT_ENABLED"
    unknown = await simulator.http.post("/_sim/faults", json={"kind": "meteor"})
    assert unknown.status_code == 422


async def test_a_restated_day_and_a_vanished_row_show_in_the_next_read_and_in_the_truth(simulator: Simulator) -> None:
    campaign, ad = simulator.market.by_role(Role.OVERSPEND), simulator.market.by_role(Role.OVERSPEND).ads[0]
    other = simulator.market.by_role(Role.RESTATED_BELOW)

    async def cost(campaign_id: str) -> int | None:
        rows = await simulator.rows(BY_DAY)
        mine = [r for r in rows if r["campaign"]["id"] == campaign_id and r["segments"]["date"] == "2026-11-20"]
        return int(mine[0]["metrics"]["costMicros"]) if mine else None

    before = await cost(campaign.campaign_id)
    assert before is not None
    place = {"account_id": BERLIN, "day": "2026-11-20"}
    await simulator.order(kind="restate", campaign_id=campaign.campaign_id, cost_per_mille=500, **place)
    after = await cost(campaign.campaign_id)
    assert after is not None
    assert 0 <= before // 2 - after <= 25
    await simulator.order(kind="vanish", campaign_id=other.campaign_id, **place)
    assert await cost(other.campaign_id) is None
    assert other.campaign_id in {row["campaign"]["id"] for row in await simulator.rows(ENTITIES)}
    await simulator.order(kind="vanish", campaign_id=campaign.campaign_id, ad_id=ad.ad_id, **place)
    ads = [r["adGroupAd"]["ad"]["id"] for r in await simulator.rows(AD_BY_DAY) if r["segments"]["date"] == place["day"]]
    assert ad.ad_id not in ads
    assert campaign.ads[1].ad_id in ads
    held = served_figures(simulator.truth_file, "campaign_day")
    keyed = {key.campaign_id: figures for key, figures in held.items() if key.day == "2026-11-20"}
    assert keyed[campaign.campaign_id].cost_micros == after
    assert other.campaign_id not in keyed


async def test_the_market_s_own_spells_are_answered_with_503_or_429(tmp_path: Path) -> None:
    settings = MarketSettings(anchor_ms=ANCHOR_MS)
    hours = range(3, 240, 3)
    found = [s for s in (spell(settings, ANCHOR_MS + hour * 3_600_000) for hour in hours) if s]
    away, busy = next(s for s in found if s[2] is None), next(s for s in found if s[2] is not None)
    sock, stop = listen("127.0.0.1", 0), asyncio.Event()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{sock.getsockname()[1]}") as http:
        it = Simulator(http, Market(settings), tmp_path / "none")
        running = asyncio.ensure_future(serve(it.market, lambda: it.now_ms, sock, stop))
        for (from_ms, until_ms, account), status in ((away, 503), (busy, 429)):
            it.now_ms = from_ms
            await it.sign_in()
            assert (await it.ask(BY_DAY, account or BERLIN)).status_code == status
            it.now_ms = until_ms
            assert (await it.ask(BY_DAY, account or BERLIN)).status_code == 200
        stop.set()
        await running
