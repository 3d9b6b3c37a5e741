"""F28: days of 23, 23.5, 24.5 and 25 hours, and zones that are half an hour or three quarters off."""

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.chaos.clicks import click, closing_ticks, price, with_ticks
from tests.chaos.ledger import LedgerEvent
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.world import World

HOUR_MS = 3_600_000
# (zone, the day, its length in hours), from the zone's own rules
ODD_DAYS: tuple[tuple[str, date, float], ...] = (
    ("America/New_York", date(2026, 3, 8), 23),
    ("Europe/Berlin", date(2026, 3, 29), 23),
    ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
    ("Asia/Kolkata", date(2026, 5, 1), 24),
    ("Asia/Kathmandu", date(2026, 6, 1), 24),
    ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
    ("Europe/Berlin", date(2026, 10, 25), 25),
    ("America/New_York", date(2026, 11, 1), 25),
    ("America/St_Johns", date(2026, 11, 1), 25),
)
DAYS_SQL = """
SELECT campaign_id, toString(day) AS day, dateDiff('minute', start, end) AS minutes, clicks
FROM totals FINAL WHERE basis = 'counted' AND window = '1d'
"""


def events(plan: Plan) -> Iterator[LedgerEvent]:
    end_ms = max(_bounds(zone, day)[1] for zone, day, _ in ODD_DAYS)
    yield from with_ticks(_days(plan.events // len(ODD_DAYS)), HOUR_MS)
    yield from closing_ticks(end_ms)


def _bounds(zone: str, day: date) -> tuple[int, int]:
    """Unix ms of its midnight and of the next."""
    info = ZoneInfo(zone)
    first, last = (datetime(d.year, d.month, d.day, tzinfo=info) for d in (day, day + timedelta(days=1)))
    return int(first.timestamp()) * 1000, int(last.timestamp()) * 1000


def _campaign(place: int) -> str:
    """One for each day: a campaign keeps its zone."""
    return f"odd-{place}"


def _days(count: int) -> Iterator[LedgerEvent]:
    """As many clicks in each day, in order of time; two of them in its first and its last millisecond."""
    dice = random.Random(28)
    for place in sorted(range(len(ODD_DAYS)), key=lambda n: _bounds(*ODD_DAYS[n][:2])):
        zone, day, hours = ODD_DAYS[place]
        start_ms, end_ms = _bounds(zone, day)
        assert end_ms - start_ms == hours * HOUR_MS
        inside = [dice.randrange(start_ms, end_ms) for _ in range(count - 2)]
        for number, at_ms in enumerate(sorted([start_ms, *inside, end_ms - 1])):
            yield click(
                f"odd-{place}-{number}",
                _campaign(place),
                at_ms=at_ms,
                received_ms=at_ms + 1 + dice.randrange(500),
                spend_micros=price(dice),
                zone=zone,
            )


def disturb(_world: World, _plan: Plan) -> None:
    """The calendar is the fault."""


def check(world: World) -> list[str]:
    """Each campaign has one day, as long as the clock made it, with all of its clicks; money is the oracle's part."""
    found = {row["campaign_id"]: row for row in world.system.sql(DAYS_SQL)}
    wrong = []
    for place, (zone, day, hours) in enumerate(ODD_DAYS):
        row = found.pop(_campaign(place), None)
        seen = None if row is None else (row["day"], row["minutes"] / 60, row["clicks"])
        expected = (str(day), hours, world.plan.events // len(ODD_DAYS))
        if seen != expected:
            wrong.append(f"{zone}: day, hours and clicks {seen}, {expected} by the calendar")
    return wrong + [f"a day too many: {row}" for row in found.values()]


SCENARIO = Scenario(
    code="F28",
    title="Days of 23 to 25 hours and zones off by half an hour: every hour and day is right to the micro.",
    short=Plan(per_s=1_500, seconds=12),
    full=Plan(per_s=2_000, seconds=300),
    disturb=disturb,
    events=events,
    check=check,
)
