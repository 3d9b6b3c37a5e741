"""Records of the totals topic, as far as the judge reads them. Unknown fields are skipped, so this is quick."""

from operator import attrgetter

import msgspec

from pipeline.alerts.series import MAX_INT64
from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from schemas.window import Basis, Window


class TotalIn(msgspec.Struct, gc=False):
    total_id: str
    campaign_key: str
    basis: Basis
    window: Window
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
_numbers = attrgetter(*_NUMBERS[:-1])  # the last may be missing
HOUR = str(Window.HOUR)  # to look a member up in an enum takes as long as all of the reading
_total = msgspec.json.Decoder(TotalIn).decode
_checkpoint = msgspec.json.Decoder(CheckpointIn).decode


def read_total(key: bytes, value: bytes) -> TotalIn | None:
    """None for an hour that is not over: these come in thousands a second, and no rule looks at them.

    Raises BadRecord: `malformed`, `wrong_key`, `bad_id`, `bad_value`.
    """
    try:
        total = _total(value)
    except msgspec.DecodeError as error:
        raise BadRecord(BadRecordCode.MALFORMED, "", str(error)) from None
    if not total.is_final and total.window == HOUR:
        return None
    # Put together, not formatted: a member of an enum is slow to format.
    named = total.campaign_key + "|||" + total.basis + "|" + total.window + "|" + str(total.start_ms // 1000)
    if total.total_id.encode() != key or total.total_id != named:
        raise BadRecord(BadRecordCode.WRONG_KEY, "total_id", f"the total is {total.total_id}")
    if total.campaign_key.count(":") < 2:
        raise BadRecord(BadRecordCode.BAD_ID, "campaign_key", "expected platform:account_id:campaign_id")
    numbers = _numbers(total)
    if max(numbers) > MAX_INT64 or min(numbers) < -MAX_INT64 or abs(total.daily_budget_micros or 0) > MAX_INT64:
        raise _too_large(total)
    if total.end_ms <= total.start_ms:
        raise BadRecord(BadRecordCode.BAD_VALUE, "end_ms", "the window ends before it begins")
    return total


def _too_large(total: TotalIn) -> BadRecord:
    name = next(name for name in _NUMBERS if abs(getattr(total, name) or 0) > MAX_INT64)
    return BadRecord(BadRecordCode.BAD_VALUE, name, "does not fit 64 bits")


def read_checkpoint(value: bytes) -> CheckpointIn:
    """Raises BadRecord: `malformed`."""
    try:
        return _checkpoint(value)
    except msgspec.DecodeError as error:
        raise BadRecord(BadRecordCode.MALFORMED, "", str(error)) from None
