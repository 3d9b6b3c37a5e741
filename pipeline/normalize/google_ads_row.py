"""The shape of a raw Google Ads record, as far as it is read. Everything else in a row is kept in raw and ignored.

Field names and types: Google Ads REST reference, v26 (2026-10). int64 come as strings, doubles as numbers, which stay
the text of the JSON here and never pass through a float. Absent optional fields of an existing row are zero or "".
"""

from typing import Literal

import msgspec

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord

MAX_RECORD_BYTES = 1 << 20
ADMITTED = {"v", "kind", "report"}  # closed sets of the envelope
Number = str | int
NULL = msgspec.Raw(b"null")


class Customer(msgspec.Struct, rename="camel", gc=False):
    id: str
    time_zone: str
    currency_code: str


class Campaign(msgspec.Struct, rename="camel", gc=False):
    id: str
    name: str = ""
    status: str = ""
    advertising_channel_type: str = ""
    start_date_time: str | None = None
    end_date_time: str | None = None


class AdGroup(msgspec.Struct, gc=False):
    id: str


class Ad(msgspec.Struct, gc=False):
    id: str


class AdGroupAd(msgspec.Struct, gc=False):
    ad: Ad


class Segments(msgspec.Struct, gc=False):
    date: str
    hour: int | None = None


class Metrics(msgspec.Struct, rename="camel", gc=False):
    impressions: Number = 0
    clicks: Number = 0
    cost_micros: Number = 0
    conversions: msgspec.Raw = NULL
    conversions_value: msgspec.Raw = NULL
    video_trueview_views: Number = 0


class CampaignBudget(msgspec.Struct, rename="camel", gc=False):
    id: str | None = None
    amount_micros: Number | None = None
    total_amount_micros: Number | None = None
    period: str = "DAILY"
    explicitly_shared: bool = False
    reference_count: Number = 1


class Row(msgspec.Struct, rename="camel", gc=False):
    customer: Customer
    campaign: Campaign
    segments: Segments | None = None
    metrics: Metrics | None = None
    ad_group: AdGroup | None = None
    ad_group_ad: AdGroupAd | None = None
    campaign_budget: CampaignBudget | None = None


class Envelope(msgspec.Struct, gc=False):
    v: Literal[1]
    kind: Literal["row", "vanished", "report_complete"]
    report: Literal["campaign_day", "campaign_hour", "ad_day", "entity"]
    account_id: str
    fetched_at_ms: int
    row: Row | None = None
    since: str | None = None
    until: str | None = None
    rows: int | None = None


_decode = msgspec.json.Decoder(Envelope).decode
decode_metrics = msgspec.json.Decoder(Metrics).decode


def read_envelope(value: bytes) -> Envelope:
    """Raises BadRecord with the JSON path of what is missing or mistyped."""
    if len(value) > MAX_RECORD_BYTES:
        raise BadRecord(BadRecordCode.OVERSIZED, "", f"{len(value)} bytes; {MAX_RECORD_BYTES} are allowed")
    try:
        return _decode(value)
    except msgspec.ValidationError as error:
        raise _mistyped(str(error)) from None
    except (msgspec.DecodeError, ValueError, RecursionError, ArithmeticError) as error:
        raise BadRecord(BadRecordCode.MALFORMED, "", str(error)) from None


def _mistyped(text: str) -> BadRecord:
    """msgspec writes "what is wrong - at `$.row.metrics.clicks`"; without a place it means the whole record."""
    detail, found, path = text.rpartition(" - at `$")
    if not found:
        detail, path = text, ""
    field = path.rstrip("`").removeprefix(".")
    missing = detail.removeprefix("Object missing required field `")
    if missing != detail:
        return BadRecord(BadRecordCode.MISSING_FIELD, f"{field}.{missing.rstrip('`')}".lstrip("."), "is missing")
    if field in ADMITTED and detail.startswith("Invalid enum value"):
        return BadRecord(BadRecordCode.UNKNOWN_KIND, field, detail)
    return BadRecord(BadRecordCode.BAD_TYPE if field else BadRecordCode.MALFORMED, field, detail)
