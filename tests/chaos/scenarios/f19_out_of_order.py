"""F19: every fifth event is late, by up to four weeks, while a month of record time goes by.

Hours and days promise to take all of it: their figures are those of a run in which everything came in order. Minutes
and five minutes are given up after two days; an event that is later counts in the hour and the day only.
"""

import random
import time
from collections.abc import Iterator

from schemas.topics import TOTALS
from tests.chaos.clicks import click, closing_ticks, price, with_ticks
from tests.chaos.ledger import LedgerEvent
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.world import World

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
SPAN_MS, TICK_MS = 30 * DAY_MS, 6 * HOUR_MS
LATE_SHARE, LATEST_MS = 0.2, 28 * DAY_MS
CAMPAIGNS = 8
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
SUMS = "SELECT window, sum(clicks) AS clicks FROM totals FINAL WHERE basis = 'counted' GROUP BY window"


def events(plan: Plan) -> Iterator[LedgerEvent]:
    end_ms = time.time_ns() // 1_000_000
    yield from with_ticks(_month(plan.events, end_ms - SPAN_MS), TICK_MS)
    yield from closing_ticks(end_ms)


def _month(count: int, start_ms: int) -> Iterator[LedgerEvent]:
    dice = random.Random(19)
    for number in range(count):
        received_ms = start_ms + number * SPAN_MS // count
        late_ms = dice.randrange(MINUTE_MS, LATEST_MS) if dice.random() < LATE_SHARE else dice.randrange(1000)
        place = dice.randrange(CAMPAIGNS)
        yield click(
            f"late-{number}",
            f"c{place}",
            at_ms=received_ms - late_ms,
            received_ms=received_ms,
            spend_micros=price(dice),
            zone=ZONES[place % len(ZONES)],
        )


def disturb(world: World, plan: Plan) -> None:
    """The order is the fault. A worker dies on the way, so that late events also meet a restored state."""
    for _ in range(plan.times):
        time.sleep(plan.pause_s)
        with world.fault("a worker killed among late events"):
            world.kill(world.random.choice([name for name in world.names() if name.startswith("worker")]))


def check(world: World) -> list[str]:
    sent = sum(1 for entry in world.ledger if entry.counts)
    counted = {row["window"]: int(row["clicks"]) for row in world.system.sql(SUMS)}
    wrong = [
        f"{counted.get(window, 0)} clicks in the windows of {window}, {sent} were sent"
        for window in ("1h", "1d")
        if counted.get(window, 0) != sent
    ]
    amended = world.system.sql("SELECT count() AS n FROM totals FINAL WHERE revision > 0 AND is_final")[0]["n"]
    if not amended:
        wrong.append("no finished window was ever amended")
    world.figures |= {
        "finished windows amended": amended,
        "clicks too late for their minute": sent - counted.get("1m", 0),
        "clicks too late for their five minutes": sent - counted.get("5m", 0),
        f"records of {TOTALS} a click": round(_appended(world) / sent, 1),
    }
    return wrong


def _appended(world: World) -> int:
    return int(world.system.sql("SELECT max(totals_offset) + 1 AS n FROM totals")[0]["n"] or 0)


SCENARIO = Scenario(
    code="F19",
    title="Every fifth event comes late, by up to 28 days: hours and days are those of a run in order.",
    short=Plan(per_s=400, seconds=20, times=1, pause_s=8),
    full=Plan(per_s=2_000, seconds=500, times=5, pause_s=80),
    disturb=disturb,
    events=events,
    check=check,
)
