"""Google Ads reports over REST: `googleAds:search` with page tokens. Rows are kept byte for byte.

API: `POST {base}/{version}/customers/{id}/googleAds:search` with `{"query", "pageToken"}`; the page size is fixed at
10 000 rows; no `nextPageToken` means the last page (v26, 2026-10).
"""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import httpx
import msgspec

from connectors import telemetry
from connectors.clock import Clock
from connectors.google_ads.auth import AccessToken
from connectors.google_ads.errors import AccountClosed, verdict
from connectors.google_ads.queries import ACCOUNTS, CUSTOMER, query
from connectors.limits import TokenBucket
from connectors.settings import GoogleAdsSettings
from connectors.source import Account, Row
from pipeline.codes import TransientCode
from pipeline.errors import Transient
from schemas.platform import Platform, campaign_key
from schemas.raw import Report
from schemas.topics import RAW_GOOGLE_ADS

log = telemetry.log(__name__)


class _Id(msgspec.Struct):
    id: str = ""


class _AdGroupAd(msgspec.Struct):
    ad: _Id


class _Segments(msgspec.Struct):
    date: str = ""
    hour: int | None = None


class _Named(msgspec.Struct, rename="camel"):
    """What a row is filed under; the rest of it is not looked at here."""

    customer: _Id
    campaign: _Id
    ad_group: _Id | None = None
    ad_group_ad: _AdGroupAd | None = None
    segments: _Segments | None = None


class _Page(msgspec.Struct, rename="camel"):
    results: list[msgspec.Raw] = []
    next_page_token: str = ""


_page = msgspec.json.Decoder(_Page).decode
_named = msgspec.json.Decoder(_Named).decode


class GoogleAdsSource:
    """See `connectors.source.Source`."""

    name = str(Platform.GOOGLE_ADS)
    topic = RAW_GOOGLE_ADS
    reports = (Report.ENTITY, Report.CAMPAIGN_HOUR, Report.AD_DAY, Report.CAMPAIGN_DAY)

    def __init__(self, settings: GoogleAdsSettings, http: httpx.AsyncClient, clock: Clock) -> None:
        self._settings, self._http, self._clock = settings, http, clock
        self.api_version = settings.api_version
        self._token = AccessToken(settings, http, clock)
        self._buckets: dict[str, TokenBucket] = {}

    async def accounts(self) -> list[Account]:
        """The accounts of the settings, or every enabled one below the manager that is not a manager itself."""
        if self._settings.accounts:
            found = [await self._account(account_id) for account_id in self._settings.accounts]
            return [account for account in found if account is not None]
        listed = [row["customerClient"] async for row in self._rows(self._settings.login_customer_id, ACCOUNTS)]
        return [
            Account(str(client["id"]), client["timeZone"], client["currencyCode"])
            for client in listed
            if not client.get("manager", False)
        ]

    async def _account(self, account_id: str) -> Account | None:
        try:
            async for row in self._rows(account_id, CUSTOMER):
                customer = row["customer"]
                return Account(account_id, customer["timeZone"], customer["currencyCode"])
        except AccountClosed as closed:
            log.warning("account left out", account=account_id, detail=str(closed))
        return None

    async def _rows(self, account_id: str, gaql: str) -> AsyncIterator[Any]:
        async for page in self._search(account_id, gaql):
            for raw in page:
                yield msgspec.json.decode(raw)

    async def pages(self, account: Account, report: Report, since: date, until: date) -> AsyncIterator[list[Row]]:
        async for page in self._search(account.account_id, query(report, since, until)):
            yield [_row(report, bytes(raw)) for raw in page]

    async def _search(self, account_id: str, gaql: str) -> AsyncIterator[list[msgspec.Raw]]:
        token = ""
        seen: set[str] = set()
        while True:
            page = _page(await self._post(account_id, {"query": gaql, **({"pageToken": token} if token else {})}))
            yield page.results
            token = page.next_page_token
            if not token:
                return
            if token in seen:
                raise Transient(TransientCode.UPSTREAM_ERROR, "the API gave the same page token twice")
            seen.add(token)

    async def _post(self, account_id: str, body: dict[str, str]) -> bytes:
        """One request; a 401 is tried once more with a new token."""
        bucket = self._buckets.setdefault(account_id, TokenBucket(self._settings.requests_per_second))
        base = self._settings.base_url.rstrip("/")
        url = f"{base}/{self.api_version}/customers/{account_id}/googleAds:search"
        for attempt in (1, 2):
            await bucket.take()
            try:
                answer = await self._http.post(url, json=body, headers=await self._headers())
            except httpx.TransportError as error:
                raise Transient(TransientCode.NETWORK, f"{base}: {error!r}") from None
            if answer.status_code == httpx.codes.OK:
                return answer.content
            if answer.status_code != httpx.codes.UNAUTHORIZED or attempt == 2:
                break
            self._token.forget()
        raise verdict(answer.status_code, answer.content)

    async def _headers(self) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {await self._token.get()}"}
        if self._settings.login_customer_id:
            headers["login-customer-id"] = self._settings.login_customer_id
        if self._settings.developer_token is not None:
            headers["developer-token"] = self._settings.developer_token.get_secret_value()
        return headers

    def vanished(self, account: Account, report: Report, day: str, name: str) -> Row:
        campaign, ad_group, ad, hour = name.split("|")
        row: dict[str, Any] = {
            "customer": {"id": account.account_id, "currencyCode": account.currency, "timeZone": account.zone},
            "campaign": {"id": campaign},
            "segments": {"date": day, **({"hour": int(hour)} if report is Report.CAMPAIGN_HOUR else {})},
        }
        if report is Report.AD_DAY:
            row |= {"adGroup": {"id": ad_group}, "adGroupAd": {"ad": {"id": ad}}}
        key = campaign_key(self.name, account.account_id, campaign)
        return Row(key, day, name, msgspec.json.encode(row))


def _row(report: Report, body: bytes) -> Row:
    """Raises ValueError when the API answers something that names no campaign: our bug or theirs, never a guess."""
    named = _named(body)
    segments = named.segments or _Segments()
    ad_group = named.ad_group.id if report is Report.AD_DAY and named.ad_group else ""
    ad = named.ad_group_ad.ad.id if report is Report.AD_DAY and named.ad_group_ad else ""
    hour = "" if report is not Report.CAMPAIGN_HOUR else str(segments.hour)
    name = f"{named.campaign.id}|{ad_group}|{ad}|{hour}"
    return Row(campaign_key(Platform.GOOGLE_ADS, named.customer.id, named.campaign.id), segments.date, name, body)
