"""F15: an older version refuses good events; the mended one gets them back out of the dead letters, again and again."""

import os
import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson

from schemas.topics import RAW_EVENTS
from tests.chaos.clicks import CAMPAIGNS, HOUR_MS, PARTITIONS, click, closing_ticks, price, with_ticks
from tests.chaos.copies import enter_copies
from tests.chaos.ledger import LedgerEvent
from tests.chaos.old_reading import ENVIRONMENT, MOST_BYTES
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.watching import until
from tests.chaos.world import World
from tests.system import PROGRAM, Message

LONG_SHARE = 0.05
COMMAND_LIMIT_S, DRAIN_S = 300, 120.0
AFTER_CLOSING_MS = 27 * HOUR_MS
SUMS = """
SELECT window, sum(clicks) AS clicks, sum(spend_micros) AS spend, sum(revenue_micros) AS revenue
FROM totals FINAL GROUP BY window ORDER BY window
"""


def events(plan: Plan) -> Iterator[LedgerEvent]:
    start_ms = time.time_ns() // 1_000_000
    yield from with_ticks(_some_long(plan, start_ms))
    yield from closing_ticks(start_ms + int(plan.seconds * 1000))


def _some_long(plan: Plan, start_ms: int) -> Iterator[LedgerEvent]:
    dice = random.Random(15)
    for number in range(plan.events):
        received_ms = start_ms + int(number * 1000 / plan.per_s)
        long = dice.random() < LONG_SHARE
        spend = price(dice)
        fields: dict[str, Any] = {"note": "n" * MOST_BYTES} if long else {}
        # Revenue of three times the spend: no rule fires, so it does not matter to alerts when an event was counted.
        made = click(
            f"{'long' if long else 'short'}-{number}",
            f"c{dice.randrange(CAMPAIGNS)}",
            at_ms=received_ms - dice.randrange(500),
            received_ms=received_ms,
            spend_micros=spend,
            revenue_micros=3 * spend,
            **fields,
        )
        yield replace(made, revenue_micros=3 * spend)


def disturb(world: World, plan: Plan) -> None:
    system = world.system
    until("the load is over", world.load_over, 20 * plan.seconds)
    system.drain(DRAIN_S)
    with world.fault("a version that refuses good events"):
        _mend(world)
        sums = [_sums(world)]
        answers = []
        for arguments in ((), (), ("--again",)):
            answers.append(_replay(world, *arguments))
            enter_copies(world)
            _tick(world)
            system.drain(DRAIN_S)
            sums.append(_sums(world))
    world.notes |= {"answers": answers, "sums": sums}
    world.figures |= {"put back by three calls": [answer["replayed"] for answer in answers]}


def _mend(world: World) -> None:
    """The workers end, and come back as another version."""
    for name in [name for name in world.names() if name.startswith("worker")]:
        world.system.supervisor.stop_part(name)
        today = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "CHAOS_OLD_READING": ""}
        world.system.start(f"{name}-mended", "worker", PULSE_WORKER__INSTANCE=name, **today)


def _replay(world: World, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [*PROGRAM, "dead-letters", "replay", "--json", *arguments],
        env=os.environ | world.system.environment | {"CHAOS_OLD_READING": ""},
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = orjson.loads(done.stdout)
    return answer


def _tick(world: World) -> None:
    """Every window is over already: what corrects it is published when time goes on."""
    now_ms = time.time_ns() // 1_000_000 + AFTER_CLOSING_MS
    world.system.produce([Message(RAW_EVENTS, number, -1, now_ms, None, None) for number in range(PARTITIONS)])


def _sums(world: World) -> list[dict[str, Any]]:
    return world.system.sql(SUMS)


def check(world: World) -> list[str]:
    long = sum(1 for entry in world.ledger if entry.event_id.startswith("long-") and entry.counts)
    answers, (refused, once, twice, again) = world.notes["answers"], world.notes["sums"]
    wrong = []
    if [answer["replayed"] for answer in answers] != [long, 0, long]:
        wrong.append(f"{long} letters were to go back once, and once more when asked to: {answers}")
    if refused == once:
        wrong.append("the first replay added nothing: the older version had refused nothing")
    if not once == twice == again:
        wrong.append(f"a later replay changed totals: {once}, then {twice}, then {again}")
    return wrong


SCENARIO = Scenario(
    code="F15",
    title="Good events that an older version refused are put back out of the dead letters, three times.",
    short=Plan(per_s=1_000, seconds=12),
    full=Plan(per_s=2_000, seconds=120),
    disturb=disturb,
    events=events,
    check=check,
    environment=ENVIRONMENT,
)
