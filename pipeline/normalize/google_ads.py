"""A raw Google Ads record to a fact. Pure: the same bytes give the same fact, or the same refusal.

Field names and units: Google Ads REST reference, v26 (2026-10). int64 come as strings, doubles as numbers, which
are read from the text of the JSON (never through a float). A metric that is absent from a row is zero; the API leaves
rows out whose metrics are all zero. The day and hour of a row are of `customer.timeZone`.
"""

from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from typing import Literal

import msgspec

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from pipeline.normalize.google_ads_entity import CampaignBudget, entity
from pipeline.zones import day_bounds, hour_bounds
from schemas.facts import Entity, ReportComplete, Snapshot
from schemas.measures import MICROS, ZERO
from schemas.platform import Platform, campaign_key
from schemas.window import Level, Window

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
# Most metrics lag less than three hours behind (help centre, data freshness).
FRESH_AFTER_MS = 3 * HOUR_MS
# Conversions are booked on the day of the click for as long as the conversion window, 90 days at most.
SETTLED_AFTER_MS = 90 * DAY_MS
LARGEST = 10**15
OLDEST, MAX_DAYS_AHEAD = date(2000, 1, 1), 2
MAX_RECORD_BYTES = 1 << 20
PLATFORM = str(Platform.GOOGLE_ADS)

Number = str | int


class _Customer(msgspec.Struct, rename="camel", gc=False):
    id: str
    time_zone: str
    currency_code: str


class _Campaign(msgspec.Struct, rename="camel", gc=False):
    id: str
    name: str = ""
    status: str = ""
    advertising_channel_type: str = ""
    start_date_time: str | None = None
    end_date_time: str | None = None


class _AdGroup(msgspec.Struct, gc=False):
    id: str = ""


class _Ad(msgspec.Struct, gc=False):
    id: str = ""


class _AdGroupAd(msgspec.Struct, gc=False):
    ad: _Ad


class _Segments(msgspec.Struct, gc=False):
    date: str = ""
    hour: int | None = None


class _Metrics(msgspec.Struct, rename="camel", gc=False):
    impressions: Number = 0
    clicks: Number = 0
    cost_micros: Number = 0
    conversions: Decimal | None = None
    conversions_value: Decimal | None = None
    video_trueview_views: Number = 0


class _Row(msgspec.Struct, rename="camel", gc=False):
    customer: _Customer
    campaign: _Campaign
    segments: _Segments | None = None
    metrics: _Metrics | None = None
    ad_group: _AdGroup | None = None
    ad_group_ad: _AdGroupAd | None = None
    campaign_budget: CampaignBudget | None = None


class _Envelope(msgspec.Struct, gc=False):
    v: Literal[1]
    kind: Literal["row", "vanished", "report_complete"]
    report: Literal["campaign_day", "campaign_hour", "ad_day", "entity"]
    account_id: str
    fetched_at_ms: int
    row: _Row | None = None
    since: str | None = None
    until: str | None = None
    rows: int | None = None


_decode = msgspec.json.Decoder(_Envelope).decode


def normalize(value: bytes) -> Snapshot | Entity | ReportComplete:
    """Read one value of `raw.google_ads.v1`. Raises BadRecord with the JSON path of what is wrong."""
    if len(value) > MAX_RECORD_BYTES:
        raise BadRecord(BadRecordCode.OVERSIZED, "", f"{len(value)} bytes; {MAX_RECORD_BYTES} are allowed")
    try:
        envelope = _decode(value)
    except msgspec.ValidationError as error:
        raise _mistyped(error) from None
    except (msgspec.DecodeError, ValueError, RecursionError, ArithmeticError) as error:
        raise BadRecord(BadRecordCode.MALFORMED, "", str(error)) from None
    if not 0 < envelope.fetched_at_ms < 2**53:
        raise BadRecord(BadRecordCode.BAD_TIME, "fetched_at_ms", str(envelope.fetched_at_ms))
    if envelope.kind == "report_complete":
        return _complete(envelope)
    if envelope.row is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, "row", "a row is expected")
    if envelope.report == "entity":
        return entity(envelope.row, envelope.fetched_at_ms)
    return _snapshot(envelope, envelope.row)


def _mistyped(error: msgspec.ValidationError) -> BadRecord:
    text = str(error)
    detail, _, path = text.rpartition(" - at ")
    field = path.strip("`").removeprefix("$.")
    if "missing required field" in text:
        name = text.split("`")[1]
        return BadRecord(BadRecordCode.MISSING_FIELD, f"{field}.{name}".removeprefix("$.").strip("$."), "is missing")
    return BadRecord(BadRecordCode.BAD_TYPE, field, detail or text)


def _complete(envelope: _Envelope) -> ReportComplete:
    first, last = _date(envelope.since, "since"), _date(envelope.until, "until")
    if not first <= last <= first + timedelta(days=400):
        raise BadRecord(BadRecordCode.BAD_TIME, "until", f"{first} to {last} is not a range of days")
    dates = tuple(str(first + timedelta(days=n)) for n in range((last - first).days + 1))
    return ReportComplete(envelope.account_id, envelope.report, envelope.fetched_at_ms, dates, envelope.rows or 0)


def _snapshot(envelope: _Envelope, row: _Row) -> Snapshot:
    segments = row.segments
    if segments is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, "row.segments.date", "is missing")
    day = _date(segments.date, "row.segments.date")
    zone = row.customer.time_zone
    if envelope.report == "campaign_hour":
        if segments.hour is None or not 0 <= segments.hour <= 23:
            raise BadRecord(BadRecordCode.BAD_TIME, "row.segments.hour", f"{segments.hour} is not an hour of a day")
        window, (start_ms, end_ms) = Window.HOUR, hour_bounds(zone, day, segments.hour)
    else:
        window, (start_ms, end_ms) = Window.DAY, day_bounds(zone, day)
    fetched_at_ms = envelope.fetched_at_ms
    if start_ms > fetched_at_ms + MAX_DAYS_AHEAD * DAY_MS:
        raise BadRecord(BadRecordCode.BAD_TIME, "row.segments.date", f"{day} lies ahead of the day it was fetched")
    level, ad_group_id, ad_id = Level.CAMPAIGN, "", ""
    if envelope.report == "ad_day":
        level, ad_group_id, ad_id = Level.AD, *_ad_ids(row)
    vanished = envelope.kind == "vanished"
    return Snapshot(
        level,
        campaign_key(PLATFORM, _id(row.customer.id, "customer"), _id(row.campaign.id, "campaign")),
        PLATFORM,
        row.customer.id,
        row.campaign.id,
        ad_group_id,
        ad_id,
        window,
        str(day),
        start_ms,
        end_ms,
        zone,
        _currency(row.customer.currency_code),
        ZERO if vanished else _measures(row.metrics),
        fetched_at_ms,
        fetched_at_ms >= end_ms + FRESH_AFTER_MS,
        fetched_at_ms >= end_ms + SETTLED_AFTER_MS,
        row.campaign.name,
        vanished,
    )


def _ad_ids(row: _Row) -> tuple[str, str]:
    """An ad id is unique together with its ad group only."""
    if row.ad_group is None or row.ad_group_ad is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, "row.adGroupAd.ad.id", "is missing")
    return _id(row.ad_group.id, "adGroup"), _id(row.ad_group_ad.ad.id, "adGroupAd.ad")


def _measures(metrics: _Metrics | None) -> tuple[int, ...]:
    if metrics is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, "row.metrics", "is missing")
    conversions = _micros(metrics.conversions, "conversions")
    revenue = _micros(metrics.conversions_value, "conversionsValue")
    return (
        _whole(metrics.impressions, "impressions"),
        _whole(metrics.clicks, "clicks"),
        0,
        _whole(metrics.cost_micros, "costMicros"),
        conversions,
        revenue,
        _whole(metrics.video_trueview_views, "videoTrueviewViews"),
        *ZERO[7:],
    )


def _whole(value: Number, name: str) -> int:
    """An int64, which the API writes as a string. Raises BadRecord(bad_value)."""
    number = value if isinstance(value, int) else int(value) if value.isascii() and value.isdigit() else -1
    if not 0 <= number <= LARGEST:
        raise BadRecord(
            BadRecordCode.BAD_VALUE, f"row.metrics.{name}", f"{str(value)[:40]!r} is not a whole number >= 0"
        )
    return number


def _micros(value: Decimal | None, name: str) -> int:
    """A double to 1e-6 units. Finer digits carry no meaning in a double of this size: rounded once, half to even."""
    if value is None:
        return 0
    if not value.is_finite() or not 0 <= value <= LARGEST:
        raise BadRecord(BadRecordCode.BAD_VALUE, f"row.metrics.{name}", f"{str(value)[:40]!r} is not a number >= 0")
    return int((value * MICROS).to_integral_value(ROUND_HALF_EVEN))


@lru_cache(1 << 14)
def _date(text: str | None, field: str) -> date:
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        day = date.min
    if day < OLDEST or len(text or "") != 10:
        raise BadRecord(BadRecordCode.BAD_TIME, field, f"{text!r} is not a date since {OLDEST.year}, YYYY-MM-DD")
    return day


@lru_cache(1 << 16)
def _id(text: str, place: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise BadRecord(BadRecordCode.BAD_ID, f"row.{place}.id", f"{text[:40]!r} is not an id of digits")
    return text


@lru_cache(1 << 10)
def _currency(text: str) -> str:
    if not (len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()):
        raise BadRecord(
            BadRecordCode.BAD_CURRENCY, "row.customer.currencyCode", f"{text[:10]!r} is not a currency code"
        )
    return text
