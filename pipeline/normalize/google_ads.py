"""A raw Google Ads record to a fact. Pure: the same bytes give the same fact, or the same refusal.

A metric that is absent from a row is zero; the API leaves rows out whose metrics are all zero. The day and hour of a
row are of `customer.timeZone`. Shapes: `google_ads_row.py`.
"""

from datetime import timedelta

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from pipeline.normalize.google_ads_entity import entity
from pipeline.normalize.google_ads_fields import currency, digits, instant_ms, local_date, micros, millionths, whole
from pipeline.normalize.google_ads_row import Envelope, Metrics, Row, read_envelope
from pipeline.zones import day_bounds, hour_bounds, zone_of
from schemas.facts import Entity, ReportComplete, Snapshot
from schemas.measures import VIDEO_VIEWS, ZERO
from schemas.platform import Platform, campaign_key
from schemas.window import Level, Window

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
# Most metrics lag less than three hours behind (Google Ads help, "About data freshness").
FRESH_AFTER_MS = 3 * HOUR_MS
# Conversions are booked on the day of the click for as long as the conversion window, 90 days at most (Google Ads help,
# "About conversion windows").
SETTLED_AFTER_MS = 90 * DAY_MS
MAX_AHEAD_MS = 2 * DAY_MS
MAX_DAYS = 400  # of one read
PLATFORM = str(Platform.GOOGLE_ADS)
_REST = ZERO[VIDEO_VIEWS + 1 :]
# Where in a record the arguments of `zones` come from.
_PATHS = {"zone": "row.customer.timeZone", "date": "row.segments.date", "hour": "row.segments.hour"}


def normalize(value: bytes) -> Snapshot | Entity | ReportComplete:
    """Read one value of `raw.google_ads.v1`. Raises BadRecord with the JSON path of what is wrong, nothing else."""
    envelope = read_envelope(value)
    digits(envelope.account_id, "account_id")
    instant_ms(envelope.fetched_at_ms, "fetched_at_ms")
    if envelope.kind == "report_complete":
        return _complete(envelope)
    row = envelope.row
    if row is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, "row", "is missing")
    if row.customer.id != envelope.account_id:
        raise BadRecord(
            BadRecordCode.BAD_ID,
            "row.customer.id",
            f"{row.customer.id[:40]!r} is not the account that was asked, {envelope.account_id}",
        )
    try:
        if envelope.report == "entity":
            zone_of(row.customer.time_zone)
            return entity(row, envelope.fetched_at_ms)
        return _snapshot(envelope, row)
    except BadRecord as error:
        if error.field in _PATHS:
            raise BadRecord(error.code, _PATHS[error.field], error.reason) from None
        raise


def _complete(envelope: Envelope) -> ReportComplete:
    first, last = local_date(envelope.since, "since"), local_date(envelope.until, "until")
    if not first <= last <= first + timedelta(days=MAX_DAYS):
        raise BadRecord(BadRecordCode.BAD_TIME, "until", f"{first} to {last} is not a range of up to {MAX_DAYS} days")
    if envelope.rows is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, "rows", "is missing")
    dates = tuple(str(first + timedelta(days=n)) for n in range((last - first).days + 1))
    rows = whole(envelope.rows, "rows")
    return ReportComplete(envelope.account_id, envelope.report, envelope.fetched_at_ms, dates, rows)


def _snapshot(envelope: Envelope, row: Row) -> Snapshot:
    if row.segments is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, "row.segments", "is missing")
    day = local_date(row.segments.date, "row.segments.date")
    zone = row.customer.time_zone
    if envelope.report == "campaign_hour":
        window, (start_ms, end_ms) = Window.HOUR, hour_bounds(zone, day, _hour(row.segments.hour))
    else:
        window, (start_ms, end_ms) = Window.DAY, day_bounds(zone, day)
    fetched_at_ms = envelope.fetched_at_ms
    if start_ms > fetched_at_ms + MAX_AHEAD_MS:
        raise BadRecord(BadRecordCode.BAD_TIME, "row.segments.date", f"{day} lies ahead of the day it was fetched")
    level, ad_group_id, ad_id = Level.CAMPAIGN, "", ""
    if envelope.report == "ad_day":
        level, ad_group_id, ad_id = Level.AD, *_ad_ids(row)
    vanished = envelope.kind == "vanished"
    return Snapshot(
        level,
        campaign_key(PLATFORM, row.customer.id, digits(row.campaign.id, "row.campaign.id")),
        PLATFORM,
        row.customer.id,
        row.campaign.id,
        ad_group_id,
        ad_id,
        window,
        day.isoformat(),
        start_ms,
        end_ms,
        zone,
        currency(row.customer.currency_code, "row.customer.currencyCode"),
        ZERO if vanished else _measures(row.metrics),
        fetched_at_ms,
        fetched_at_ms >= end_ms + FRESH_AFTER_MS,
        fetched_at_ms >= end_ms + SETTLED_AFTER_MS,
        row.campaign.name,
        vanished,
    )


def _hour(value: int | None) -> int:
    if value is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, "row.segments.hour", "is missing")
    if not 0 <= value <= 23:
        raise BadRecord(BadRecordCode.BAD_TIME, "row.segments.hour", f"{value} is not an hour of a day")
    return value


def _ad_ids(row: Row) -> tuple[str, str]:
    """An ad id is unique together with its ad group only."""
    if row.ad_group is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, "row.adGroup", "is missing")
    if row.ad_group_ad is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, "row.adGroupAd", "is missing")
    return digits(row.ad_group.id, "row.adGroup.id"), digits(row.ad_group_ad.ad.id, "row.adGroupAd.ad.id")


def _measures(metrics: Metrics | None) -> tuple[int, ...]:
    """In the order of `schemas.measures`. Google Ads tells no link clicks apart: its clicks lead to the destination."""
    if metrics is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, "row.metrics", "is missing")
    return (
        whole(metrics.impressions, "row.metrics.impressions"),
        whole(metrics.clicks, "row.metrics.clicks"),
        0,
        micros(metrics.cost_micros, "row.metrics.costMicros"),
        millionths(metrics.conversions, "row.metrics.conversions"),
        millionths(metrics.conversions_value, "row.metrics.conversionsValue"),
        whole(metrics.video_trueview_views, "row.metrics.videoTrueviewViews"),
        *_REST,
    )
