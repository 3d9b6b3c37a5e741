"""A cell of a file as a value of an event: exact, or refused. No float is ever involved."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pipeline.event_refusal import zone_reason

Reading = Literal["text", "integer", "decimal_micros", "instant", "unix_s", "unix_ms", "unix_us"]
MAX_DIGITS = 20
SHOWN_CHARS = 40
_MICROS = Decimal(1_000_000)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_MS = timedelta(milliseconds=1)


def text_of(cell: Any) -> str:
    return cell if isinstance(cell, str) else "" if cell is None else str(cell)


def _decimal(cell: Any) -> Decimal:
    text = text_of(cell).strip()
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    # Beyond these bounds arithmetic would round, or be refused by the decimal context.
    exact = value.is_finite() and len(value.as_tuple().digits) <= MAX_DIGITS and abs(value.adjusted()) <= MAX_DIGITS
    if not exact or isinstance(cell, bool):
        raise ValueError(f"{text[:SHOWN_CHARS]!r} is no number")
    return value


def _whole(value: Decimal, cell: Any) -> int:
    if value != value.to_integral_value() or abs(value) >= Decimal(10) ** 18:
        raise ValueError(f"{text_of(cell)[:SHOWN_CHARS]!r} is not a whole number of the unit")
    return int(value)


def _integer(cell: Any, _: str | None) -> int:
    return _whole(_decimal(cell), cell)


def _decimal_micros(cell: Any, _: str | None) -> int:
    """`12.34` of a currency, or of a conversion, to millionths; more than six places are refused, not rounded."""
    return _whole(_decimal(cell) * _MICROS, cell)


def _instant(cell: Any, zone: str | None) -> str | int:
    """ISO 8601 date and time; one without a zone is of `zone`, else refused. To Unix ms."""
    try:
        instant = datetime.fromisoformat(text_of(cell).strip())
    except ValueError:
        raise ValueError(f"{text_of(cell)[:SHOWN_CHARS]!r} is no date and time in ISO 8601") from None
    if instant.tzinfo is None:
        if zone is None or zone_reason(zone) is not None:
            raise ValueError(f"{text_of(cell)[:SHOWN_CHARS]!r} has no zone, and the mapping names none")
        instant = instant.replace(tzinfo=ZoneInfo(zone))
    return (instant - _EPOCH) // _ONE_MS


def _unix(per_ms: Decimal) -> Callable[[Any, str | None], int]:
    def reading(cell: Any, _: str | None) -> int:
        return int(_decimal(cell) * per_ms // 1)

    return reading


READINGS: dict[Reading, Callable[[Any, str | None], Any]] = {
    "text": lambda cell, _: text_of(cell),
    "integer": _integer,
    "decimal_micros": _decimal_micros,
    "instant": _instant,
    "unix_s": _unix(Decimal(1000)),
    "unix_ms": _unix(Decimal(1)),
    "unix_us": _unix(Decimal("0.001")),
}
