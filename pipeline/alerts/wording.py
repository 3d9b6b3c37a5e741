"""Figures, money and local times as people read them."""

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from pipeline.alerts.metric import Metric, Unit
from schemas.measures import MICROS

_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "INR": "₹", "JPY": "¥", "KRW": "₩", "BRL": "R$", "PLN": "zł"}
_WHOLE = frozenset({"JPY", "KRW", "CLP", "IDR", "VND", "HUF", "ISK", "PYG"})  # nobody writes their fractions
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PLATFORMS = {
    "google_ads": "Google Ads",
    "meta": "Meta",
    "linkedin": "LinkedIn",
    "twitter": "X",
    "tiktok": "TikTok",
    "email": "email",
    "sms": "SMS",
    "push": "push",
}


def money(amount: float, currency: str) -> str:
    """Units of currency, rounded to what is usual for it: €1,234.50; without a known symbol 1,234.50 CHF."""
    digits = 0 if currency in _WHOLE else 2
    text = f"{abs(amount):,.{digits}f}"
    sign = "-" if amount < 0 and float(text.replace(",", "")) else ""
    symbol = _SYMBOLS.get(currency)
    return f"{sign}{symbol}{text}" if symbol else f"{sign}{text} {currency}".rstrip()


def micros(amount_micros: int, currency: str) -> str:
    return money(amount_micros / MICROS, currency)


def figure(value: float, metric: Metric, currency: str) -> str:
    """A value in the metric's published unit."""
    if metric.unit is Unit.MONEY:
        return money(value, currency)
    if metric.unit is Unit.PERCENT:
        return percent(value)
    return f"{value:.2f}" if metric.unit is Unit.RATIO else f"{value:,.0f}"


def percent(value: float) -> str:
    return f"{value:.2f} %" if abs(value) < 10 else f"{value:.1f} %"


def platform_name(platform: str) -> str:
    return _PLATFORMS.get(platform, platform)


@lru_cache(512)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def local(at_ms: int, zone: str) -> datetime:
    """The instant on the account's clock."""
    return datetime.fromtimestamp(at_ms / 1000, _zone(zone))


def day(at_ms: int, zone: str) -> str:
    at = local(at_ms, zone)
    return f"{at.day} {_MONTHS[at.month - 1]}"


def clock(at_ms: int, zone: str) -> str:
    return local(at_ms, zone).strftime("%H:%M")


def moment(at_ms: int, zone: str) -> str:
    return f"{clock(at_ms, zone)} on {day(at_ms, zone)} ({zone})"
