"""A raw Google Ads record to a fact. Pure: the same bytes give the same fact, or the same refusal.

Field names and units: Google Ads REST reference, v26 (2026-10). int64 come as strings, doubles as numbers, which
are read from the text of the JSON (never through a float). A metric that is absent from a row is zero; the API leaves
rows out whose metrics are all zero. The day and hour of a row are of `customer.timeZone`.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Literal

import msgspec

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from pipeline.normalize.google_ads_entity import CampaignBudget, entity
from pipeline.normalize.google_ads_fields import DAY, HOUR, currency_of, date_of, id_of, in_the_row, micros, whole
from pipeline.zones import day_bounds, hour_bounds
from schemas.facts import Entity, ReportComplete, Snapshot
from schemas.measures import ZERO
from schemas.platform import Platform, campaign_key
from schemas.window import Level, Window

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
# Most metrics lag less than three hours behind (help centre, data freshness).
FRESH_AFTER_MS = 3 * HOUR_MS
# Conversions are booked on the day of the click for as long as the conversion window, 90 days at most.
SETTLED_AFTER_MS = 90 * DAY_MS
MAX_DAYS_AHEAD = 2
MAX_DAYS_READ = 400
# 2000 to 2100: a read in another century would end every window there is.
FIRST_MS, LAST_MS = 946_684_800_000, 4_102_444_800_000
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
    if not FIRST_MS <= envelope.fetched_at_ms < LAST_MS:
        raise BadRecord(
            BadRecordCode.BAD_TIME, "fetched_at_ms", f"{envelope.fetched_at_ms} are no Unix milliseconds since 2000"
        )
    id_of(envelope.account_id, "account_id")
    if envelope.kind == "report_complete":
        return _complete(envelope)
    if envelope.row is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, "row", "is missing")
    _check_identity(envelope.account_id, envelope.row)
    if envelope.report == "entity":
        return entity(envelope.row, envelope.fetched_at_ms)
    return _snapshot(envelope, envelope.row)


def _mistyped(error: msgspec.ValidationError) -> BadRecord:
    """msgspec says "what is wrong - at `$.path`", and leaves the place out when it is the whole document."""
    detail, _, place = str(error).rpartition(" - at `$")
    field = place.strip(".`") if detail else ""
    detail = detail or str(error)
    if "missing required field" in detail:
        name = detail.split("`")[1]
        return BadRecord(BadRecordCode.MISSING_FIELD, f"{field}.{name}" if field else name, "is missing")
    if "Invalid enum value" in detail:
        code = BadRecordCode.UNKNOWN_KIND if field in {"v", "kind", "report"} else BadRecordCode.BAD_VALUE
        return BadRecord(code, field, detail)
    return BadRecord(BadRecordCode.BAD_TYPE if field else BadRecordCode.MALFORMED, field, detail)


def _check_identity(account_id: str, row: _Row) -> None:
    id_of(row.customer.id, "row.customer.id")
    id_of(row.campaign.id, "row.campaign.id")
    currency_of(row.customer.currency_code)
    if row.customer.id != account_id:
        raise BadRecord(
            BadRecordCode.BAD_ID, "row.customer.id", f"{row.customer.id} came with the report of {account_id}"
        )


def _complete(envelope: _Envelope) -> ReportComplete:
    first, last = date_of(envelope.since, "since"), date_of(envelope.until, "until")
    if not first <= last <= first + timedelta(days=MAX_DAYS_READ):
        raise BadRecord(BadRecordCode.BAD_TIME, "until", f"{first} to {last} is not a range of days")
    dates = tuple(str(first + timedelta(days=n)) for n in range((last - first).days + 1))
    return ReportComplete(envelope.account_id, envelope.report, envelope.fetched_at_ms, dates, envelope.rows or 0)


def _snapshot(envelope: _Envelope, row: _Row) -> Snapshot:
    segments = row.segments
    if segments is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, DAY, "is missing")
    day = date_of(segments.date, DAY)
    zone = row.customer.time_zone
    with in_the_row():
        if envelope.report == "campaign_hour":
            if segments.hour is None:
                raise BadRecord(BadRecordCode.MISSING_FIELD, HOUR, "is missing")
            window, (start_ms, end_ms) = Window.HOUR, hour_bounds(zone, day, segments.hour)
        else:
            window, (start_ms, end_ms) = Window.DAY, day_bounds(zone, day)
    fetched_at_ms = envelope.fetched_at_ms
    if start_ms > fetched_at_ms + MAX_DAYS_AHEAD * DAY_MS:
        raise BadRecord(BadRecordCode.BAD_TIME, DAY, f"{day} lies ahead of the day it was fetched")
    level, ad_group_id, ad_id = Level.CAMPAIGN, "", ""
    if envelope.report == "ad_day":
        level, ad_group_id, ad_id = Level.AD, *_ad_ids(row)
    vanished = envelope.kind == "vanished"
    return Snapshot(
        level,
        campaign_key(PLATFORM, row.customer.id, row.campaign.id),
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
        row.customer.currency_code,
        ZERO if vanished else _measures(row.metrics),
        fetched_at_ms,
        fetched_at_ms >= end_ms + FRESH_AFTER_MS,
        fetched_at_ms >= end_ms + SETTLED_AFTER_MS,
        row.campaign.name,
        vanished,
    )


def _ad_ids(row: _Row) -> tuple[str, str]:
    """An ad id is unique together with its ad group only."""
    if row.ad_group is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, "row.adGroup.id", "is missing")
    if row.ad_group_ad is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, "row.adGroupAd.ad.id", "is missing")
    return id_of(row.ad_group.id, "row.adGroup.id"), id_of(row.ad_group_ad.ad.id, "row.adGroupAd.ad.id")


def _measures(metrics: _Metrics | None) -> tuple[int, ...]:
    if metrics is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, "row.metrics", "is missing")
    conversions = micros(metrics.conversions, "row.metrics.conversions")
    revenue = micros(metrics.conversions_value, "row.metrics.conversionsValue")
    return (
        whole(metrics.impressions, "row.metrics.impressions"),
        whole(metrics.clicks, "row.metrics.clicks"),
        0,
        whole(metrics.cost_micros, "row.metrics.costMicros"),
        conversions,
        revenue,
        whole(metrics.video_trueview_views, "row.metrics.videoTrueviewViews"),
        *ZERO[7:],
    )
