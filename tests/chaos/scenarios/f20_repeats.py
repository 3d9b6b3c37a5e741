"""F20: every event comes one to five times, hours apart, while workers die and hand partitions over."""

import heapq
import random
import time
from collections.abc import Iterator
from dataclasses import replace

from tests.chaos.clicks import click, closing_ticks, price, with_ticks
from tests.chaos.ledger import LedgerEvent
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.world import World

HOUR_MS = 3_600_000
SPAN_MS = 12 * HOUR_MS  # of record time: ids are remembered by the hour, for 24 of them
LATEST_COPY_MS = 5 * HOUR_MS
MOST_COPIES, MEAN_TIMES = 4, 3
CAMPAIGNS = 20


def events(plan: Plan) -> Iterator[LedgerEvent]:
    end_ms = time.time_ns() // 1_000_000
    yield from with_ticks(_repeated(plan.events // MEAN_TIMES, end_ms - SPAN_MS), 60_000)
    yield from closing_ticks(end_ms)


def _repeated(count: int, start_ms: int) -> Iterator[LedgerEvent]:
    dice = random.Random(20)
    copies: list[tuple[int, int, LedgerEvent]] = []
    for number in range(count):
        received_ms = start_ms + number * (SPAN_MS - LATEST_COPY_MS) // count
        while copies and copies[0][0] <= received_ms:
            yield heapq.heappop(copies)[2]
        first = click(
            f"twice-{number}",
            f"c{dice.randrange(CAMPAIGNS)}",
            at_ms=received_ms - dice.randrange(1000),
            received_ms=received_ms,
            spend_micros=price(dice),
        )
        yield first
        for copy in range(dice.randint(0, MOST_COPIES)):
            # Some at once, as a client that sends again; some hours later, as a queue that is read again.
            at_ms = received_ms + (dice.randrange(2_000) if dice.random() < 0.5 else dice.randrange(LATEST_COPY_MS))
            heapq.heappush(copies, (at_ms, number * 10 + copy, replace(first, received_ms=at_ms, counts=False)))
    while copies:
        yield heapq.heappop(copies)[2]


def disturb(world: World, plan: Plan) -> None:
    for _ in range(plan.times):
        time.sleep(plan.pause_s)
        workers = [name for name in world.names() if name.startswith("worker")]
        with world.fault("a worker killed among repeats"):
            world.kill(world.random.choice(workers))


def check(world: World) -> list[str]:
    sent = {True: 0, False: 0}
    for entry in world.ledger:
        sent[entry.counts] += 1
    world.figures |= {"events": sent[True], "repeats of them": sent[False]}
    return [] if sent[False] > sent[True] else ["fewer repeats than events: the storm did not happen"]


SCENARIO = Scenario(
    code="F20",
    title="Every event comes one to five times, across hours and kills of workers, and counts once.",
    short=Plan(per_s=1_500, seconds=20, times=3, pause_s=4),
    full=Plan(per_s=3_000, seconds=340, times=30, pause_s=10),
    disturb=disturb,
    events=events,
    check=check,
)
