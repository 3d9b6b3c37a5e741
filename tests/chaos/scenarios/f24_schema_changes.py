"""F24: the senders' events change their shape on the way: a field more, optional ones gone, some renamed, and back.

What the totals need is never guessed: a field that nobody knows is kept in the raw record and ignored, an optional one
that is gone (or has another name) is absent, and a required one that is gone makes a dead letter.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from schemas.topics import RAW_EVENTS
from tests.chaos.clicks import CAMPAIGNS, click, closing_ticks, price, with_ticks
from tests.chaos.ledger import LedgerEvent
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.watching import until
from tests.chaos.world import World

SHAPES = ("as it was", "a field added", "optional removed", "optional renamed", "required renamed", "as it was again")
REFUSED = "required renamed"
LETTERS_SQL = "SELECT partition, offset, code, field FROM dead_letters FINAL WHERE topic = {topic:String}"
EXTRA_SQL = """
SELECT countIf(JSONExtractString(value, 'placement', 'name') = 'story') AS added,
    countIf(JSONExtractInt(value, 'cost_micros') > 0) AS renamed
FROM raw_records FINAL WHERE topic = {topic:String}
"""


def events(plan: Plan) -> Iterator[LedgerEvent]:
    start_ms = time.time_ns() // 1_000_000
    yield from with_ticks(_changing(plan, start_ms))
    yield from closing_ticks(start_ms + int(plan.seconds * 1000))


def _changing(plan: Plan, start_ms: int) -> Iterator[LedgerEvent]:
    dice = random.Random(24)
    for number in range(plan.events):
        # Not all senders change at once: near a change both shapes come.
        at = number * len(SHAPES) / plan.events + dice.uniform(-0.2, 0.2)
        shape = SHAPES[min(max(int(at), 0), len(SHAPES) - 1)]
        yield _shaped(shape, number, start_ms + int(number * 1000 / plan.per_s), dice)


def _shaped(shape: str, number: int, received_ms: int, dice: random.Random) -> LedgerEvent:
    event_id, campaign, spend = f"{shape}|{number}", f"c{dice.randrange(CAMPAIGNS)}", price(dice)

    def made(without: tuple[str, ...] = (), **fields: Any) -> LedgerEvent:
        at_ms = received_ms - dice.randrange(500)
        return click(
            event_id, campaign, at_ms=at_ms, received_ms=received_ms, spend_micros=spend, without=without, **fields
        )

    match shape:
        case "a field added":
            return made(placement={"name": "story", "position": number % 5}, schema="2026-11")
        case "optional removed":
            return replace(made(without=("spend_micros", "currency", "zone")), spend_micros=0)
        case "optional renamed":
            return replace(made(without=("spend_micros",), cost_micros=spend), spend_micros=0)
        case "required renamed":
            return replace(made(without=("event_id",), id=event_id), counts=False)
        case _:
            return made()


def disturb(world: World, plan: Plan) -> None:
    """A worker dies in the middle: what it reads again has both shapes."""
    until("the middle of the load", lambda: world.ledger.acked > plan.events / 2, 10 * plan.seconds)
    with world.fault("a worker killed while the schema changes"):
        world.kill("worker-1")


def check(world: World) -> list[str]:
    letters = {
        (row["partition"], row["offset"]): (row["code"], row["field"])
        for row in world.system.sql(LETTERS_SQL, topic=RAW_EVENTS)
    }
    sent = dict.fromkeys(SHAPES, 0)
    due: dict[tuple[int, int], tuple[str, str]] = {}
    for entry in world.ledger:
        shape = entry.event_id.partition("|")[0]
        sent[shape] += 1
        if shape == REFUSED:
            due[entry.partition, entry.offset] = ("missing_field", "event_id")
    wrong = [
        f"partition {place[0]} offset {place[1]}: letter {letters.get(place)}, due is {due.get(place)}"
        for place in sorted({*due, *letters})
        if letters.get(place) != due.get(place)
    ]
    kept = world.system.sql(EXTRA_SQL, topic=RAW_EVENTS)[0]
    if (kept["added"], kept["renamed"]) != (sent["a field added"], sent["optional renamed"]):
        wrong.append(f"raw records do not hold the unknown fields of {sent}: {kept}")
    world.figures["events of each shape"] = sent
    return wrong[:20]


SCENARIO = Scenario(
    code="F24",
    title="Events gain fields, lose optional ones and have some renamed while they flow.",
    short=Plan(per_s=1_000, seconds=18),
    full=Plan(per_s=2_000, seconds=300),
    disturb=disturb,
    events=events,
    check=check,
)
