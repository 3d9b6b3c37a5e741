"""What the Google Ads API answers, without HTTP: OAuth refresh, admission, search with GAQL and pages, ordered faults.

Shapes, types and errors follow developers.google.com/google-ads/api (v23 to v26, read 2026-11).
"""

import hashlib
import hmac
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from connectors.simulator import google_ads_refusal as refusals
from connectors.simulator.account import Account
from connectors.simulator.faults import Fault, Faults, Restate, Vanish
from connectors.simulator.gaql import Query, parse
from connectors.simulator.google_ads_fields import DATE, HOUR
from connectors.simulator.google_ads_pages import PAGE_ROWS, Page, Pages, expired_page_token
from connectors.simulator.google_ads_query import answer, check
from connectors.simulator.google_ads_refusal import Refusal
from connectors.simulator.google_ads_rows import reachable
from connectors.simulator.market import Market
from connectors.simulator.outage import refusal_at
from connectors.simulator.restatement import Restatement
from connectors.simulator.truth import Truth

VERSIONS: tuple[str, ...] = ("23", "24", "25", "26")
TOKEN_LIFETIME_S = 3599
_SCOPE = "https://www.googleapis.com/auth/adwords"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the token endpoint accepts. Nothing here opens anything but the simulator."""

    client_id: str = "sim-client"
    client_secret: str = "sim-secret"  # noqa: S105 (no secret: see above)
    refresh_token: str = "sim-refresh"  # noqa: S105


class GoogleAdsService:
    """`now_ms` reads pulse time. Not for use by two threads at once."""

    def __init__(
        self,
        market: Market,
        now_ms: Callable[[], int],
        *,
        page_rows: int = PAGE_ROWS,
        truth: Truth | None = None,
        credentials: Credentials | None = None,
        versions: tuple[str, ...] = VERSIONS,
    ) -> None:
        self.market = market
        self.now_ms = now_ms
        self.faults = Faults()
        self._pages = Pages(page_rows)
        self._truth = truth
        self._credentials = credentials or Credentials()
        self._versions = versions

    def token(self, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """Status and body of an OAuth refresh."""
        given = {name: values[0] for name, values in form.items()}
        mine = self._credentials
        if given.get("grant_type") != "refresh_token":
            return 400, {"error": "unsupported_grant_type", "error_description": "Invalid grant_type."}
        if (given.get("client_id"), given.get("client_secret")) != (mine.client_id, mine.client_secret):
            return 401, {"error": "invalid_client", "error_description": "The OAuth client was not found."}
        if self.faults.revoked or given.get("refresh_token") != mine.refresh_token:
            return 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
        return 200, {
            "access_token": self._signed(f"{self.now_ms()}.{self.faults.token_generation}"),
            "expires_in": TOKEN_LIFETIME_S,
            "scope": _SCOPE,
            "token_type": "Bearer",
        }

    def admit(self, version: str, authorization: str) -> None:
        """Raises Refusal when the version has ended, the service is away or the caller is not known."""
        if version not in self._versions:
            raise refusals.version_ended(version)
        if self.faults.away(self.now_ms()):
            raise refusals.unavailable()
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not self._valid(token):
            raise refusals.not_authenticated()

    def search(self, account_id: str, login_customer_id: str, body: bytes) -> tuple[Page, Query, bool]:
        """The page asked for, its query, and whether the caller wants the row count. Raises Refusal."""
        at_ms = self.now_ms()
        try:
            account = self._account(account_id, login_customer_id, at_ms)
            asked = _asked(body)
            text = asked["query"]
            query = parse(text)
            check(query, account)
            page = self._page(account, text, query, asked.get("pageToken") or "", at_ms)
        except Refusal as refusal:
            if self._truth:
                self._truth.refused(account_id, refusal, at_ms=at_ms)
            raise
        if self._truth:
            self._truth.served(account_id, text, report_of(query), page, at_ms=at_ms)
        counted = asked.get("searchSettings", {}).get("returnTotalResultsCount") is True
        return page, query, counted

    def order(self, fault: Fault) -> None:
        """Carries out a fault ordered by a test."""
        if not isinstance(fault, Restate | Vanish):
            self.faults.order(fault)
            return
        now_ms = self.now_ms()
        if isinstance(fault, Vanish):
            change = Restatement(fault.account_id, fault.campaign_id, fault.day, now_ms, 0, 0, fault.ad_id)
        else:
            change = Restatement(
                fault.account_id,
                fault.campaign_id,
                fault.day,
                max(now_ms, fault.from_ms or 0),
                fault.cost_per_mille,
                fault.clicks_per_mille,
                fault.ad_id,
            )
        self.market.restate(change)
        if self._truth:
            self._truth.restated(change)

    def _account(self, account_id: str, login_customer_id: str, at_ms: int) -> Account:
        ordered = self.faults.refusal(account_id) or refusal_at(self.market.settings, account_id, at_ms)
        if ordered is not None:
            raise ordered
        if not (account_id.isdigit() and len(account_id) == 10):
            raise refusals.request_error("INVALID_CUSTOMER_ID", f"Invalid customer ID '{account_id}'.")
        account = self.market.account(account_id)
        if account is None or not reachable(account_id, self.market, login_customer_id=login_customer_id):
            raise refusals.permission_denied()
        if not account.enabled or account_id in self.faults.closed:
            raise refusals.not_enabled()
        return account

    def _page(self, account: Account, text: str, query: Query, token: str, at_ms: int) -> Page:
        if not token:
            return self._pages.first(account.account_id, text, at_ms, answer(self.market, account, query, at_ms))
        if self.faults.expires_page():
            raise expired_page_token()
        return self._pages.next(
            account.account_id,
            text,
            token,
            at_ms,
            answer_as_of=lambda as_of_ms: answer(self.market, account, query, as_of_ms),
        )

    def _signed(self, claim: str) -> str:
        key = f"simulator {self.market.settings.seed}".encode()
        return f"sim.{claim}.{hmac.new(key, claim.encode(), hashlib.sha256).hexdigest()[:24]}"

    def _valid(self, token: str) -> bool:
        with suppress(ValueError):
            _, issued, generation, _ = token.split(".")
            fresh = self.now_ms() - int(issued) <= TOKEN_LIFETIME_S * 1000
            return (
                fresh
                and int(generation) == self.faults.token_generation
                and hmac.compare_digest(token, self._signed(f"{issued}.{generation}"))
            )
        return False


def report_of(query: Query) -> str:
    """Our name of the report a query reads."""
    grain = "hour" if HOUR in query.fields else "day" if DATE in query.fields else "entity"
    names = {
        ("campaign", "day"): "campaign_day",
        ("campaign", "hour"): "campaign_hour",
        ("campaign", "entity"): "entity",
        ("ad_group_ad", "day"): "ad_day",
        ("customer", "day"): "account_day",
        ("customer_client", "entity"): "accounts",
    }
    return names.get((query.resource, grain), "other")


def _asked(body: bytes) -> dict[str, Any]:
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refusal(400, "Invalid JSON payload received.") from None
    if not isinstance(asked, dict) or not isinstance(asked.get("query"), str):
        raise refusals.request_error("REQUIRED_FIELD_MISSING", "Required field is missing: query.")
    if "pageSize" in asked:
        raise refusals.request_error(
            "PAGE_SIZE_NOT_SUPPORTED", "Setting the page size is not supported. Search responses have 10000 rows."
        )
    return asked
