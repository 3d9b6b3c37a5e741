"""A raw Google Ads record to a fact. Pure: the same bytes give the same fact, or the same refusal.

A metric that is absent from a row is zero; the API leaves rows out whose metrics are all zero. The day and hour of a
row are of `customer.timeZone`. Shapes: `google_ads_row.py`.
"""

from datetime import timedelta
from functools import lru_cache

import msgspec

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from pipeline.normalize.google_ads_entity import entity
from pipeline.normalize.google_ads_fields import (
    currency,
    digits,
    instant_ms,
    local_date,
    micros,
    millionths,
    whole,
    wholes,
)
from pipeline.normalize.google_ads_head import Head, head_of, row_behind
from pipeline.normalize.google_ads_row import Envelope, Metrics, Row, decode_metrics, read_envelope
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
MAX_FIGURES_BYTES = 1 << 12
NEVER_MS = 1 << 53
PLATFORM = str(Platform.GOOGLE_ADS)
# As plain text, which is half as dear to write as a member of an enum.
CAMPAIGN, AD, HOUR, DAY = str(Level.CAMPAIGN), str(Level.AD), str(Window.HOUR), str(Window.DAY)
_REST = ZERO[VIDEO_VIEWS + 1 :]
# Where in a record the arguments of `zones` come from.
_PATHS = {"zone": "row.customer.timeZone", "date": "row.segments.date", "hour": "row.segments.hour"}


def normalize(value: bytes) -> Snapshot | Entity | ReportComplete:
    """Read one value of `raw.google_ads.v1`. Raises BadRecord with the JSON path of what is wrong, nothing else."""
    head = head_of(value)
    snapshot = None if head is None else read_behind(head, value)
    return read_whole(value) if snapshot is None else snapshot


def read_behind(head: Head, value: bytes) -> Snapshot | None:
    """The same for a value that begins with `head`; None if only `read_whole` can say what it is."""
    row = row_behind(head, value)
    if row is None:
        return None
    try:
        return _snapshot(head.envelope, row)
    except BadRecord as error:
        raise _placed(error) from None


def read_figures(figures: bytes) -> tuple[int, ...] | None:
    """The measures of a row's metrics; None if only `normalize` can say what is wrong with them."""
    if len(figures) > MAX_FIGURES_BYTES:
        return None
    try:
        return _measures(decode_metrics(figures))
    except (BadRecord, msgspec.MsgspecError, ValueError, ArithmeticError):
        return None


def read_whole(value: bytes) -> Snapshot | Entity | ReportComplete:
    """The same for any value."""
    envelope = read_envelope(value)
    digits(envelope.account_id, "account_id")
    instant_ms(envelope.fetched_at_ms, "fetched_at_ms")
    if envelope.kind == "report_complete":
        return _complete(envelope)
    row = envelope.row
    if row is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, "row", "is missing")
    try:
        if envelope.report == "entity":
            _check_account(envelope, row)
            zone_of(row.customer.time_zone)
            return entity(row, envelope.fetched_at_ms)
        return _snapshot(envelope, row)
    except BadRecord as error:
        raise _placed(error) from None


def _placed(error: BadRecord) -> BadRecord:
    """The same with the place in the record, where `zones` has only the name of what is wrong."""
    return BadRecord(error.code, _PATHS.get(error.field, error.field), error.reason)


def _check_account(envelope: Envelope, row: Row) -> None:
    if row.customer.id != envelope.account_id:
        raise BadRecord(
            BadRecordCode.BAD_ID,
            "row.customer.id",
            f"{row.customer.id[:40]!r} is not the account that was asked, {envelope.account_id}",
        )


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
    customer, segments = row.customer, row.segments
    if customer.id != envelope.account_id:
        _check_account(envelope, row)
    if segments is None:
        raise BadRecord(BadRecordCode.MISSING_FIELD, "row.segments", "is missing")
    period = _period(envelope.report, customer.time_zone, segments.date, segments.hour)
    fetched_at_ms = envelope.fetched_at_ms
    if period.start_ms > fetched_at_ms + MAX_AHEAD_MS:
        raise BadRecord(
            BadRecordCode.BAD_TIME, "row.segments.date", f"{period.date} lies ahead of the day it was fetched"
        )
    level, ad_group_id, ad_id = CAMPAIGN, "", ""
    if envelope.report == "ad_day":
        level, ad_group_id, ad_id = AD, *_ad_ids(row)
    vanished = envelope.kind == "vanished"
    key, account_id, campaign_id = _campaign(customer.id, row.campaign.id)
    is_final, settled = fetched_at_ms >= period.final_at_ms, fetched_at_ms >= period.settled_at_ms
    return Snapshot(
        level,
        key,
        PLATFORM,
        account_id,
        campaign_id,
        ad_group_id,
        ad_id,
        period.window,
        period.date,
        period.start_ms,
        period.end_ms,
        period.zone,
        currency(customer.currency_code, "row.customer.currencyCode"),
        ZERO if vanished else _measures(row.metrics),
        fetched_at_ms,
        is_final,
        settled,
        NEVER_MS if settled else period.settled_at_ms if is_final else period.final_at_ms,
        row.campaign.name,
        vanished,
    )


class _Period(msgspec.Struct, frozen=True):
    """What a row's day or hour comes to: local date, [start, end), and when its figures are final and settled."""

    window: str
    zone: str
    date: str
    start_ms: int
    end_ms: int
    final_at_ms: int
    settled_at_ms: int


@lru_cache(1 << 16)
def _period(report: str, zone: str, date: str, hour: int | None) -> _Period:
    day = local_date(date, "row.segments.date")
    if report == "campaign_hour":
        window, (start_ms, end_ms) = HOUR, hour_bounds(zone, day, _hour(hour))
    else:
        window, (start_ms, end_ms) = DAY, day_bounds(zone, day)
    return _Period(window, zone, date, start_ms, end_ms, end_ms + FRESH_AFTER_MS, end_ms + SETTLED_AFTER_MS)


@lru_cache(1 << 16)
def _campaign(account_id: str, campaign_id: str) -> tuple[str, str, str]:
    """(campaign key, account id, campaign id), so that a million rows share their names."""
    return campaign_key(PLATFORM, account_id, digits(campaign_id, "row.campaign.id")), account_id, campaign_id


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
    numbers = wholes(metrics.impressions, metrics.clicks, metrics.cost_micros, metrics.video_trueview_views)
    impressions, clicks, spend_micros, video_views = numbers or (
        whole(metrics.impressions, "row.metrics.impressions"),
        whole(metrics.clicks, "row.metrics.clicks"),
        micros(metrics.cost_micros, "row.metrics.costMicros"),
        whole(metrics.video_trueview_views, "row.metrics.videoTrueviewViews"),
    )
    return (
        impressions,
        clicks,
        0,
        spend_micros,
        millionths(bytes(metrics.conversions), "row.metrics.conversions"),
        millionths(bytes(metrics.conversions_value), "row.metrics.conversionsValue"),
        video_views,
        *_REST,
    )
