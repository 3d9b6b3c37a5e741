"""Single values of a Google Ads row, checked. Each raises BadRecord with the JSON path it is given."""

import re
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache

import msgspec

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from pipeline.zones import zone_of
from schemas.measures import MICROS

LARGEST_COUNT = 10**15
LARGEST_MICROS = 10**18  # 10^12 of a currency: an Indonesian day is dear, and 64 bits hold a few of these
LARGEST_DECIMAL = LARGEST_MICROS // MICROS
SHORT = 60  # digits of four numbers
FIRST_YEAR, LAST_YEAR = 2000, 2100
FIRST_MS, LAST_MS = 946_684_800_000, 4_102_444_800_000  # the same, as instants
NEVER_ENDS_YEAR = 2037  # the API's way of saying that there is no end date
SIX, TWELVE = 6, 12  # digits of a millionth, and of what is below the largest decimal
_MILLIONTH = Decimal("0.000001")
_EXACT = Context(prec=40, rounding=ROUND_HALF_EVEN)
_SCALE: tuple[int, ...] = tuple(10**unwritten for unwritten in range(SIX, -1, -1))
_decimal = msgspec.json.Decoder(Decimal | None).decode
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")


def whole(value: str | int, field: str, largest: int = LARGEST_COUNT) -> int:
    """An int64, which the API writes as a string; raises BadRecord(bad_value) unless 0 <= value <= `largest`."""
    if isinstance(value, str):
        number = int(value) if len(value) <= 19 and value.isascii() and value.isdigit() else -1
    else:
        number = value
    if not 0 <= number <= largest:
        raise BadRecord(BadRecordCode.BAD_VALUE, field, f"{str(value)[:40]!r} is not a whole number, 0 to {largest}")
    return number


def wholes(first: str | int, second: str | int, third: str | int, fourth: str | int) -> tuple[int, ...] | None:
    """Four of them at once when each is plain digits, and short enough to be a count; None: look at them one by one."""
    digits = f"{first}{second}{third}{fourth}"
    if len(digits) > SHORT or not (digits.isascii() and digits.isdigit()):
        return None
    try:
        numbers = int(first), int(second), int(third), int(fourth)
    except ValueError:  # an empty one
        return None
    return numbers if max(numbers) <= LARGEST_COUNT else None


def micros(value: str | int, field: str) -> int:
    """An amount of money. Raises BadRecord(bad_value)."""
    return whole(value, field, LARGEST_MICROS)


def millionths(text: bytes, field: str) -> int:
    """A JSON number in 1e-6 units, rounded once, half to even; null is 0. Raises BadRecord(bad_value or bad_type)."""
    units, _, places = text.partition(b".")
    digits = units + places
    if digits.isdigit() and len(places) <= SIX and len(units) <= TWELVE:
        return int(digits) * _SCALE[len(places)]
    try:
        value = _decimal(text)
    except (msgspec.DecodeError, ArithmeticError) as error:
        raise BadRecord(BadRecordCode.BAD_TYPE, field, str(error)) from None
    if value is None:
        return 0
    if not value.is_finite() or not 0 <= value <= LARGEST_DECIMAL:
        raise BadRecord(BadRecordCode.BAD_VALUE, field, f"{str(value)[:40]!r} is not a number, 0 to {LARGEST_DECIMAL}")
    return int(value.quantize(_MILLIONTH, context=_EXACT).scaleb(6, context=_EXACT))


@lru_cache(1 << 14)
def local_date(text: str | None, field: str) -> date:
    """`YYYY-MM-DD` from 2000 to 2100. Raises BadRecord(bad_time)."""
    day = None
    if text is not None and _DATE.fullmatch(text):
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = None
    if day is None or not FIRST_YEAR <= day.year < LAST_YEAR:
        shown = None if text is None else text[:40]
        raise BadRecord(
            BadRecordCode.BAD_TIME, field, f"{shown!r} is not a date from {FIRST_YEAR} to {LAST_YEAR}, YYYY-MM-DD"
        )
    return day


def local_instant(text: str | None, zone: str, field: str, *, after_s: int = 0) -> int | None:
    """Account-local `YYYY-MM-DD HH:MM:SS` and `after_s` later, in Unix ms. None for no date, and for the far end that
    means none. Raises BadRecord(bad_time)."""
    if not text:
        return None
    local = None
    if _DATE_TIME.fullmatch(text):
        try:
            local = datetime.fromisoformat(text)
        except ValueError:
            local = None
    if local is None or local.year < FIRST_YEAR:
        raise BadRecord(BadRecordCode.BAD_TIME, field, f"{text[:40]!r} is not a local YYYY-MM-DD HH:MM:SS since 2000")
    if local.year >= NEVER_ENDS_YEAR:
        return None
    return (int(local.replace(tzinfo=zone_of(zone)).timestamp()) + after_s) * 1000


def instant_ms(value: int, field: str) -> int:
    """Unix ms from 2000 to 2100: one absurd instant would move a partition's clock for good."""
    if not FIRST_MS <= value < LAST_MS:
        raise BadRecord(BadRecordCode.BAD_TIME, field, f"{value} is not Unix ms from {FIRST_YEAR} to {LAST_YEAR}")
    return value


@lru_cache(1 << 16)
def digits(text: str, field: str) -> str:
    """An id as the API has them: digits. Raises BadRecord(bad_id)."""
    if not (len(text) <= 20 and text.isascii() and text.isdigit()):
        raise BadRecord(BadRecordCode.BAD_ID, field, f"{text[:40]!r} is not an id of digits")
    return text


@lru_cache(1 << 10)
def currency(text: str, field: str) -> str:
    """Three capital letters (ISO 4217). Raises BadRecord(bad_currency)."""
    if not (len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()):
        raise BadRecord(BadRecordCode.BAD_CURRENCY, field, f"{text[:10]!r} is not a currency code")
    return text
