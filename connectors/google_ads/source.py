"""Google Ads reports over REST: `googleAds:search` with page tokens. Rows are kept byte for byte.

API: `POST {base}/{version}/customers/{id}/googleAds:search` with `{"query", "pageToken"}`; the page size is fixed at
10 000 rows; no `nextPageToken` means the last page (v26, 2026-10).
"""

import re
from collections.abc import AsyncIterator, Callable
from datetime import date
from typing import Any, TypeVar

import httpx
import msgspec

from connectors.clock import Clock
from connectors.google_ads import versions
from connectors.google_ads.auth import AccessToken
from connectors.google_ads.errors import verdict
from connectors.google_ads.queries import ACCOUNTS, CUSTOMER, query
from connectors.limits import TokenBucket
from connectors.settings import GoogleAdsSettings
from connectors.source import Account, Row
from pipeline.codes import MisconfiguredCode, TransientCode
from pipeline.errors import Misconfigured, Transient
from schemas.platform import Platform, campaign_key
from schemas.raw import Report
from schemas.topics import RAW_GOOGLE_ADS

T = TypeVar("T")


class _Id(msgspec.Struct):
    id: str


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


class _CustomerClient(msgspec.Struct, rename="camel"):
    id: str
    time_zone: str
    currency_code: str
    manager: bool = False


class _Client(msgspec.Struct, rename="camel"):
    customer_client: _CustomerClient


class _CustomerFields(msgspec.Struct, rename="camel"):
    time_zone: str
    currency_code: str


class _Customer(msgspec.Struct):
    customer: _CustomerFields


_IS_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII).fullmatch
_page = msgspec.json.Decoder(_Page).decode
_named = msgspec.json.Decoder(_Named).decode
_client = msgspec.json.Decoder(_Client).decode
_customer = msgspec.json.Decoder(_Customer).decode


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
        self._known: dict[str, Account] = {}

    def notice(self, today: date) -> str | None:
        return versions.warning(self.api_version, today)

    async def account_ids(self) -> list[str]:
        """The accounts of the settings, or every enabled one below the manager that is not a manager itself."""
        if self._settings.accounts:
            return list(self._settings.accounts)
        manager = self._settings.login_customer_id
        if not manager:
            raise Misconfigured(
                MisconfiguredCode.SETTING, "set google_ads.accounts, or google_ads.login_customer_id to their manager"
            )
        listed = [_read(_client, raw).customer_client async for raw in self._rows(manager, ACCOUNTS)]
        found = {one.id: Account(one.id, one.time_zone, one.currency_code) for one in listed if not one.manager}
        self._known |= found
        return list(found)

    async def account(self, account_id: str) -> Account:
        """Zone and currency of an account never change: asked once."""
        if account_id not in self._known:
            async for raw in self._rows(account_id, CUSTOMER):
                customer = _read(_customer, raw).customer
                self._known[account_id] = Account(account_id, customer.time_zone, customer.currency_code)
        if account_id not in self._known:
            raise Transient(TransientCode.UPSTREAM_ERROR, f"the API says nothing about account {account_id}")
        return self._known[account_id]

    async def _rows(self, account_id: str, gaql: str) -> AsyncIterator[msgspec.Raw]:
        async for page in self._search(account_id, gaql):
            for raw in page:
                yield raw

    async def pages(self, account: Account, report: Report, since: date, until: date) -> AsyncIterator[list[Row]]:
        async for page in self._search(account.account_id, query(report, since, until)):
            yield [_row(account, report, bytes(raw)) for raw in page]

    async def _search(self, account_id: str, gaql: str) -> AsyncIterator[list[msgspec.Raw]]:
        token = ""
        seen: set[str] = set()
        while True:
            body = {"query": gaql, **({"pageToken": token} if token else {})}
            page = _read(_page, await self._post(account_id, body))
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
            token = await self._token.get()
            try:
                answer = await self._http.post(url, json=body, headers=self._headers(token))
            except httpx.RequestError as error:
                raise Transient(TransientCode.NETWORK, f"{base}: {error!r}") from None
            if answer.status_code == httpx.codes.OK:
                return answer.content
            if answer.status_code != httpx.codes.UNAUTHORIZED or attempt == 2:
                break
            self._token.forget(token)
        raise verdict(
            answer.status_code,
            answer.content,
            now_ms=self._clock.now_ms(),
            retry_after=answer.headers.get("retry-after", ""),
        )

    def _headers(self, token: str) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {token}"}
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


def _row(account: Account, report: Report, body: bytes) -> Row:
    """A row that cannot be read is filed under its account: normalising it says what is wrong, in a dead letter."""
    try:
        named = _named(body)
    except (msgspec.MsgspecError, ValueError):
        return Row(campaign_key(Platform.GOOGLE_ADS, account.account_id, ""), "", "", body)
    key = campaign_key(Platform.GOOGLE_ADS, named.customer.id, named.campaign.id)
    date = named.segments.date if named.segments else ""
    parts = [named.campaign.id, "", "", ""]
    if report is Report.AD_DAY:
        parts[1:3] = named.ad_group.id if named.ad_group else "?", named.ad_group_ad.ad.id if named.ad_group_ad else "?"
    if report is Report.CAMPAIGN_HOUR:
        parts[3] = str(named.segments.hour if named.segments else None)
    if not _IS_DATE(date) or not all(part.isdigit() for part in parts if part):
        return Row(key, "", "", body)
    return Row(key, date, "|".join(parts), body)


def _read(decode: Callable[[bytes | msgspec.Raw], T], body: bytes | msgspec.Raw) -> T:
    """An answer that was cut off, or is none of theirs, may be whole the next time."""
    try:
        return decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Transient(TransientCode.UPSTREAM_ERROR, f"the API's answer cannot be read: {error}") from None
