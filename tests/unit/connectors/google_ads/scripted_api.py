"""The Google Ads API as a list of answers, given in order."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from connectors.clock import Clock
from connectors.google_ads.source import GoogleAdsSource
from connectors.setting_sections import GoogleAdsSettings

BASE, TOKEN_URL = "http://api.test", "http://login.test/token"
ACCOUNT = "1234567890"
Answer = httpx.Response | Exception
SETTINGS: dict[str, Any] = {
    "base_url": BASE,
    "token_url": TOKEN_URL,
    "client_id": "client",
    "client_secret": "hush",
    "refresh_token": "refresh",
    "login_customer_id": "9000000001",
    "requests_per_second": 1000,
}


def page(*rows: dict[str, Any], token: str = "") -> httpx.Response:
    return httpx.Response(200, json={"results": list(rows), **({"nextPageToken": token} if token else {})})


def refused(status: int, family: str = "", code: str = "", **details: Any) -> httpx.Response:
    failure = {"errorCode": {family: code}, "message": "m", **({"details": details} if details else {})}
    parts = [{"@type": "t", "errors": [failure]}] if family else []
    return httpx.Response(status, json={"error": {"code": status, "message": "No.", "details": parts}})


def granted(token: str = "t1", **more: Any) -> httpx.Response:
    return httpx.Response(200, json={"access_token": token, "expires_in": 3599, "token_type": "Bearer", **more})


def campaign_row(campaign: str = "7", date: str = "2026-11-20", **segments: Any) -> dict[str, Any]:
    return {"customer": {"id": ACCOUNT}, "campaign": {"id": campaign}, "segments": {"date": date, **segments}}


@dataclass
class ScriptedApi:
    """`tokens` and `searches` are used up; the last token answer is given for ever."""

    searches: list[Answer] = field(default_factory=list)
    tokens: list[Answer] = field(default_factory=lambda: [granted()])
    asked: list[httpx.Request] = field(default_factory=list)
    renewals: int = 0
    now: Callable[[], int] | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if str(request.url) == TOKEN_URL:
            self.renewals += 1
            answer = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        else:
            self.asked.append(request)
            answer = self.searches.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self))

    def source(self, clock: Clock | None = None, **settings: Any) -> GoogleAdsSource:
        return GoogleAdsSource(GoogleAdsSettings(**{**SETTINGS, **settings}), self.client(), clock or Clock.real())

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.asked]
