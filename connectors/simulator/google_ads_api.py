"""The Google Ads REST API over HTTP, on loopback, and beside it `/_sim/` for tests and `/healthz`.

Base URL `http://127.0.0.1:PORT`; token URL `http://127.0.0.1:PORT/token`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs

import orjson
from fastapi import FastAPI, Request, Response

from connectors.simulator import google_ads_refusal as refusals
from connectors.simulator.account import MANAGER
from connectors.simulator.faults import Fault
from connectors.simulator.google_ads_fields import field_mask
from connectors.simulator.google_ads_refusal import Refusal
from connectors.simulator.google_ads_service import GoogleAdsService

Body = dict[str, Any]


def create_app(service: GoogleAdsService) -> FastAPI:
    """The simulator's application; every answer is the service's."""
    app = FastAPI(title="Campaign Pulse simulator", docs_url=None, redoc_url=None, openapi_url=None)
    _add_token(app, service)
    _add_google_ads(app, service)
    _add_control(app, service)
    return app


def _add_token(app: FastAPI, service: GoogleAdsService) -> None:
    @app.post("/token")
    async def token(request: Request) -> Response:
        if service.faults.away(service.now_ms()):
            return _json(503, {"error": "internal_failure"})
        return _json(*service.token(parse_qs((await request.body()).decode())))


def _add_google_ads(app: FastAPI, service: GoogleAdsService) -> None:
    one_at_a_time = asyncio.Lock()
    count = 0

    async def guarded(version: str, work: Callable[[], tuple[Body, bool]]) -> Response:
        """Large answers take seconds of arithmetic: they are worked out beside the loop, so that health answers."""
        nonlocal count
        count += 1
        request_id = refusals.request_id(service.market.settings.seed, service.now_ms(), count)
        try:
            async with one_at_a_time:
                body, cut = await asyncio.to_thread(work)
        except Refusal as refusal:
            number = int(version) if version.isdigit() else 0
            return _json(refusal.http, refusal.body(number, request_id), request_id=request_id)
        return _json(200, body, request_id=request_id, cut=cut)

    @app.get("/v{version}/customers:listAccessibleCustomers")
    async def accessible(version: str, request: Request) -> Response:
        def work() -> tuple[Body, bool]:
            service.admit(version, request.headers.get("authorization", ""))
            return {"resourceNames": [f"customers/{MANAGER.account_id}"]}, False

        return await guarded(version, work)

    @app.post("/v{version}/customers/{account_id}/googleAds:search")
    async def search(version: str, account_id: str, request: Request) -> Response:
        asked = await request.body()

        def work() -> tuple[Body, bool]:
            service.admit(version, request.headers.get("authorization", ""))
            page, query, counted = service.search(account_id, request.headers.get("login-customer-id", ""), asked)
            body: Body = {"results": page.rows, "fieldMask": field_mask(query.fields)}
            if page.token is not None:
                body["nextPageToken"] = page.token
            if counted:
                body["totalResultsCount"] = str(page.total_rows)
            return body, service.faults.truncates()

        return await guarded(version, work)


def _add_control(app: FastAPI, service: GoogleAdsService) -> None:
    @app.post("/_sim/faults", status_code=204)
    async def order(fault: Fault) -> Response:
        service.order(fault)
        return Response(status_code=204)

    @app.get("/_sim/labels")
    async def labels() -> list[Body]:
        return [asdict(label) for label in service.market.labels]

    @app.get("/healthz")
    async def healthz() -> Body:
        return {"ok": True, "now_ms": service.now_ms(), "anchor_ms": service.market.settings.anchor_ms}


def _json(status: int, body: Body, *, request_id: str = "", cut: bool = False) -> Response:
    """`cut` ends the answer in the middle of its JSON."""
    content = orjson.dumps(body)
    headers = {"request-id": request_id} if request_id else {}
    return Response(content[: len(content) // 2] if cut else content, status, headers, "application/json")
