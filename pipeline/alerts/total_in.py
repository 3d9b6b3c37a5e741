"""Records of the totals topic, as far as the judge reads them. Unknown fields are skipped, so this is quick."""

from typing import Annotated, Literal

import msgspec

from pipeline.alerts.series import MAX_INT64
from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from schemas.window import Window

Long = Annotated[int, msgspec.Meta(ge=-MAX_INT64, le=MAX_INT64)]


class TotalIn(msgspec.Struct, gc=False):
    total_id: str
    campaign_key: str
    # Plain text, for a member of an enum is slow to look up, to format and to compare.
    basis: Literal["reported", "counted"]
    window: Literal["1m", "5m", "1h", "1d"]
    start_ms: int
    end_ms: int
    zone: str
    currency: str
    impressions: int
    clicks: int
    spend_micros: int
    conversions_micros: int
    revenue_micros: int
    as_of_ms: int
    revision: int
    is_final: bool
    version: int
    campaign_name: str = ""
    daily_budget_micros: int | None = None
    budget_id: str | None = None
    budget_shared: bool = False


class _Bounded(TotalIn, gc=False):
    """The same where every number fits 64 bits: nearly always, and looked at as it is read."""

    start_ms: Long
    end_ms: Long
    impressions: Long
    clicks: Long
    spend_micros: Long
    conversions_micros: Long
    revenue_micros: Long
    as_of_ms: Long
    revision: Long
    version: Long
    daily_budget_micros: Long | None = None


class CheckpointIn(msgspec.Struct, gc=False):
    checkpoint: str
    source_topic: str
    source_partition: int
    source_offset: int
    at_ms: int
    generation: int = 0


_NUMBERS = (
    "start_ms",
    "end_ms",
    "impressions",
    "clicks",
    "spend_micros",
    "conversions_micros",
    "revenue_micros",
    "as_of_ms",
    "revision",
    "version",
    "daily_budget_micros",
)
HOUR = str(Window.HOUR)
_bounded = msgspec.json.Decoder(_Bounded).decode
_total = msgspec.json.Decoder(TotalIn).decode
_checkpoint = msgspec.json.Decoder(CheckpointIn).decode


def read_total(key: bytes, value: bytes) -> TotalIn | None:
    """None for an hour that is not over: these come in thousands a second, and no rule looks at them.

    Raises BadRecord: `malformed`, `wrong_key`, `bad_id`, `bad_value`.
    """
    fits = True
    try:
        total: TotalIn = _bounded(value)
    except msgspec.DecodeError:
        fits = False
        total = _any_total(value)
    if not total.is_final and total.window == HOUR:
        return None
    named = f"{total.campaign_key}|||{total.basis}|{total.window}|{total.start_ms // 1000}"
    if total.total_id != named or named.encode() != key:
        raise BadRecord(BadRecordCode.WRONG_KEY, "total_id", f"the total is {total.total_id}")
    if total.campaign_key.count(":") < 2:
        raise BadRecord(BadRecordCode.BAD_ID, "campaign_key", "expected platform:account_id:campaign_id")
    if not fits:
        _check_numbers(total)
    if total.end_ms <= total.start_ms:
        raise BadRecord(BadRecordCode.BAD_VALUE, "end_ms", "the window ends before it begins")
    return total


def _any_total(value: bytes) -> TotalIn:
    try:
        return _total(value)
    except msgspec.DecodeError as error:
        raise BadRecord(BadRecordCode.MALFORMED, "", str(error)) from None


def _check_numbers(total: TotalIn) -> None:
    for name in _NUMBERS:
        number = getattr(total, name) or 0
        if not -MAX_INT64 <= number <= MAX_INT64:
            raise BadRecord(BadRecordCode.BAD_VALUE, name, "does not fit 64 bits")


def read_checkpoint(value: bytes) -> CheckpointIn:
    """Raises BadRecord: `malformed`."""
    try:
        return _checkpoint(value)
    except msgspec.DecodeError as error:
        raise BadRecord(BadRecordCode.MALFORMED, "", str(error)) from None
