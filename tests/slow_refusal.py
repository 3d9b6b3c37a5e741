"""Why an event is refused, the long way: every check in turn, each written out. What `pipeline.event_refusal` must say.

It is as that was before it was made quick, and shares nothing with it, so that a change of a sentence is seen here.
"""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, get_args
from zoneinfo import ZoneInfo

import msgspec

from pipeline.codes import BadRecordCode as Code
from schemas.event import ID_PATTERN, MAX_MICROS, EventType
from schemas.platform import PLATFORMS

MAX_EVENT_BYTES = 1 << 20
MIN_AT_MS = 946_684_800_000  # 2000-01-01: an earlier instant is a unit mistaken (seconds) or a field left empty
MAX_AHEAD_MS = 86_400_000  # a wrong zone moves an instant by 14 hours at most; more than a day ahead is a mistake
MAX_ID_CHARS = 128
MAX_COUNT = 10**9
SHOWN_CHARS = 80  # of a value in a sentence
TYPES: tuple[str, ...] = get_args(EventType)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ONE_MS = timedelta(milliseconds=1)

_ID = re.compile(ID_PATTERN)
_CURRENCY = re.compile(r"[A-Z]{3}")
# Names only: a path out of the zone data, its copies with leap seconds, and files that differ by host are no zones.
_ZONE = re.compile(r"(?!posix/|right/|localtime|posixrules|Factory)[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+){0,2}")
Reason = tuple[Code, str]


class _Constant(float):
    """NaN, Infinity or -Infinity as it stood in the text."""


_decode = json.JSONDecoder(parse_constant=_Constant).decode  # `json.loads` would make one for every record
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


def slow_refusal(value: bytes, received_ms: int) -> tuple[str, str, str]:
    """Code, field and detail."""
    if len(value) > MAX_EVENT_BYTES:
        return (Code.OVERSIZED, "", f"{len(value)} bytes; an event may have {MAX_EVENT_BYTES}")
    try:
        fields = _read(value)
    except (ValueError, RecursionError) as error:
        return (Code.MALFORMED, "", f"not JSON: {error}")
    if not isinstance(fields, dict):
        return (Code.MALFORMED, "", f"a JSON object is expected, found {_kind(fields)}")
    return _first_problem(fields, received_ms) or (Code.MALFORMED, "", "not JSON as RFC 8259 has it")


def _read(value: bytes) -> Any:
    """Any JSON, and what is nearly JSON; four times faster for an object without fractions. Raises ValueError."""
    try:
        fields = _decode_object(value)
    except (ValueError, RecursionError):
        return _decode(value.decode("utf-8", "replace"))
    # What was a whole number too large for a float, or a float, is told apart only by the slow reading.
    return _decode(value.decode()) if float in map(type, fields.values()) else fields


def _first_problem(fields: dict[str, Any], received_ms: int) -> tuple[str, str, str] | None:
    for name in REQUIRED:
        if name not in fields:
            return (Code.MISSING_FIELD, name, "is required")
    for name, reason_of in _CHECKS.items():
        if name not in fields or (fields[name] is None and name in NULLABLE):
            continue
        reason = reason_of(fields[name])
        if reason is not None:
            return (reason[0], name, reason[1])
    at_ms = instant_ms(fields["at"])
    if at_ms is not None and not MIN_AT_MS <= at_ms <= received_ms + MAX_AHEAD_MS:
        return (Code.BAD_TIME, "at", _why_absurd(at_ms, received_ms))
    for name, content in fields.items():
        if _holds_constant(content):
            return (Code.BAD_VALUE, name, "NaN and Infinity are no JSON numbers")
    return None


def _why_absurd(at_ms: int, received_ms: int) -> str:
    if at_ms < MIN_AT_MS:
        hint = "; whole numbers are Unix milliseconds" if 0 < at_ms < MIN_AT_MS else ""
        return f"{_instant_text(at_ms)} is before 2000-01-01{hint}"
    return f"{_instant_text(at_ms)} is more than a day after it was received ({_instant_text(received_ms)})"


def _instant_text(at_ms: int) -> str:
    try:
        return (EPOCH + at_ms * ONE_MS).isoformat(timespec="milliseconds")
    except OverflowError:
        return f"{_shown(at_ms)} ms"


def instant_ms(at: object) -> int | None:
    """Unix ms of `at` as JSON holds it, down to the millisecond; None for what is no instant with a zone."""
    if isinstance(at, int) and not isinstance(at, bool):
        return at
    if not isinstance(at, str):
        return None
    try:
        instant = msgspec.convert(at, datetime)
    except msgspec.ValidationError:
        return None
    return None if instant.tzinfo is None else (instant - EPOCH) // ONE_MS


# -- one field each ------------------------------------------------------------------------------------------


def id_reason(value: object) -> Reason | None:
    if not isinstance(value, str):
        return _mistyped("a string", value)
    if len(value) <= MAX_ID_CHARS and _ID.fullmatch(value):
        return None
    return Code.BAD_ID, f"{_shown(value)}: 1 to {MAX_ID_CHARS} of A-Z a-z 0-9 _ . - are expected"


def _event_id_reason(value: object) -> Reason | None:
    if not isinstance(value, str):
        return _mistyped("a string", value)
    if 1 <= len(value) <= MAX_ID_CHARS:
        return None
    return Code.BAD_ID, f"{len(value)} characters; 1 to {MAX_ID_CHARS} are expected"


def _one_of(known: tuple[str, ...]) -> Callable[[object], Reason | None]:
    def reason(value: object) -> Reason | None:
        if not isinstance(value, str):
            return _mistyped("a string", value)
        return None if value in known else (Code.BAD_VALUE, f"{_shown(value)} is none of {', '.join(known)}")

    return reason


def _whole(least: int, most: int) -> Callable[[object], Reason | None]:
    def reason(value: object) -> Reason | None:
        if isinstance(value, float) and not math.isfinite(value):
            return Code.BAD_VALUE, f"{value} is no amount"
        if not isinstance(value, int) or isinstance(value, bool):
            return _mistyped("a whole number", value)
        return None if least <= value <= most else (Code.BAD_VALUE, f"{_shown(value)} is not in {least} to {most}")

    return reason


def _at_reason(value: object) -> Reason | None:
    if instant_ms(value) is not None:
        return None
    if isinstance(value, str):
        return Code.BAD_TIME, f"{_shown(value)}: RFC 3339 with a zone is expected, as 2026-11-21T08:00:00Z"
    return _mistyped("RFC 3339 text or whole Unix milliseconds", value)


def currency_reason(value: object) -> Reason | None:
    if not isinstance(value, str):
        return _mistyped("a string", value)
    if _CURRENCY.fullmatch(value):
        return None
    return Code.BAD_CURRENCY, f"{_shown(value)}: three capital letters are expected (ISO 4217)"


def zone_reason(value: object) -> Reason | None:
    if not isinstance(value, str):
        return _mistyped("a string", value)
    return None if _is_zone(value) else (Code.BAD_ZONE, f"{_shown(value)}: an IANA zone is expected, as Europe/Berlin")


@lru_cache(4096)
def _is_zone(name: str) -> bool:
    if len(name) > MAX_ID_CHARS or not _ZONE.fullmatch(name):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; not zone data; a folder of zones
        return False
    return True


_AMOUNT = _whole(0, MAX_MICROS)
_CHECKS: dict[str, Callable[[object], Reason | None]] = {
    "event_id": _event_id_reason,
    "platform": _one_of(PLATFORMS),
    "account_id": id_reason,
    "campaign_id": id_reason,
    "at": _at_reason,
    "type": _one_of(TYPES),
    "ad_id": id_reason,
    "count": _whole(1, MAX_COUNT),
    "spend_micros": _AMOUNT,
    "revenue_micros": _AMOUNT,
    "conversions_micros": _AMOUNT,
    "currency": currency_reason,
    "zone": zone_reason,
}
REQUIRED: tuple[str, ...] = ("event_id", "platform", "account_id", "campaign_id", "at", "type")
NULLABLE = frozenset({"ad_id", "conversions_micros", "currency", "zone"})


def _mistyped(expected: str, found: object) -> Reason:
    return Code.BAD_TYPE, f"{expected} is expected, found {_kind(found)}"


_KINDS: dict[type, str] = {
    type(None): "null",
    bool: "true or false",
    int: "a whole number",
    float: "a number with a point",
    str: "a string",
    list: "an array",
    dict: "an object",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "NaN or Infinity")


def _shown(value: object) -> str:
    text = json.dumps(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 3]}..."


def _holds_constant(value: object) -> bool:
    """Without recursion: the text decides how deep it is nested."""
    rest = [value]
    while rest:
        inner = rest.pop()
        if isinstance(inner, _Constant):
            return True
        if isinstance(inner, dict):
            rest.extend(inner.values())
        elif isinstance(inner, list):
            rest.extend(inner)
    return False
