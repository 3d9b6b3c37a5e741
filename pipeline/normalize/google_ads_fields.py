"""Single values of a Google Ads row, checked. Each raises BadRecord with the JSON path it was given."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from schemas.measures import MICROS

LARGEST = 10**15
FIRST_YEAR, LAST_YEAR = 2000, 2100
ZONE, DAY, HOUR = "row.customer.timeZone", "row.segments.date", "row.segments.hour"
_PLACE_OF = {"zone": ZONE, "day": DAY, "hour": HOUR}


@lru_cache(1 << 16)
def id_of(text: str, path: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise BadRecord(BadRecordCode.BAD_ID, path, f"{text[:40]!r} is not an id of digits")
    return text


@lru_cache(1 << 10)
def currency_of(text: str) -> str:
    if not (len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()):
        raise BadRecord(
            BadRecordCode.BAD_CURRENCY, "row.customer.currencyCode", f"{text[:10]!r} is not a currency code"
        )
    return text


@lru_cache(1 << 14)
def date_of(text: str | None, path: str) -> date:
    """`YYYY-MM-DD` and no other way to write it."""
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        day = date.min
    if not (FIRST_YEAR <= day.year < LAST_YEAR and str(day) == text):
        said = f"{(text or '')[:40]!r} is not a date from {FIRST_YEAR} to {LAST_YEAR - 1}, YYYY-MM-DD"
        raise BadRecord(BadRecordCode.BAD_TIME, path, said)
    return day


def whole(value: str | int, path: str) -> int:
    """An int64, which the API writes as a string."""
    number = -1
    if isinstance(value, int):
        number = value
    elif value.isascii() and value.isdigit() and len(value) <= 20:
        number = int(value)
    if not 0 <= number <= LARGEST:
        raise BadRecord(BadRecordCode.BAD_VALUE, path, f"{str(value)[:40]!r} is not a whole number from 0 to {LARGEST}")
    return number


def micros(value: Decimal | None, path: str) -> int:
    """A double to 1e-6 units. Finer digits carry no meaning in a double of this size: rounded once, half to even."""
    if value is None:
        return 0
    if not value.is_finite() or not 0 <= value <= LARGEST:
        raise BadRecord(BadRecordCode.BAD_VALUE, path, f"{str(value)[:40]!r} is not a number from 0 to {LARGEST}")
    return int((value * MICROS).to_integral_value(ROUND_HALF_EVEN))


@contextmanager
def in_the_row() -> Iterator[None]:
    """What the zone arithmetic refuses, under the path the value has in a row."""
    try:
        yield
    except BadRecord as error:
        raise BadRecord(error.code, _PLACE_OF.get(error.field, error.field), error.reason) from None
