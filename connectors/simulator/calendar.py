"""Local days cut into hour slots. A slot is one real hour; on the day the clocks go back two slots carry one label."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Slot:
    """`[start_ms, start_ms + 1 h)` in UTC; `day` (ISO) and `hour` are what the account's clock shows at its start."""

    start_ms: int
    day: str
    hour: int
    weekday: int  # Monday is 0


def local_date(zone: str, at_ms: int) -> date:
    """The calendar day in `zone` at the instant."""
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).date()


def midnight_ms(zone: str, day: date) -> int:
    """The instant the local day begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp()) * 1000


def slot_start_ms(zone: str, at_ms: int) -> int:
    """Start of the slot that holds the instant: the full hour of the account's clock (:30 UTC in a half-hour zone)."""
    local = datetime.fromtimestamp(at_ms // 1000, ZoneInfo(zone))
    return (at_ms // 1000 - local.minute * 60 - local.second) * 1000


@lru_cache(maxsize=4096)
def slots(zone: str, day: date) -> tuple[Slot, ...]:
    """The real hours of a local day, in order: 23, 24 or 25 of them."""
    tz = ZoneInfo(zone)
    end_ms = midnight_ms(zone, day + timedelta(days=1))
    cut = []
    for start_ms in range(midnight_ms(zone, day), end_ms, HOUR_MS):
        local = datetime.fromtimestamp(start_ms // 1000, tz)
        cut.append(Slot(start_ms, day.isoformat(), local.hour, local.weekday()))
    return tuple(cut)


def day_end_ms(zone: str, day: date) -> int:
    """The instant the next local day begins."""
    return midnight_ms(zone, day + timedelta(days=1))


def days_between(since: date, until: date) -> list[date]:
    """Both ends included."""
    return [since + timedelta(days=n) for n in range((until - since).days + 1)]


def local_text(zone: str, at_ms: int) -> str:
    """`yyyy-mm-dd hh:mm:ss` on the account's clock, as the platform writes start and end."""
    return datetime.fromtimestamp(at_ms // 1000, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")


def utc_text(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
