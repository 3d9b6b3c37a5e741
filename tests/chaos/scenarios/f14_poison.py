"""F14: one record in a hundred is bad, of every kind there is: each becomes a letter that says where and why."""

import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from schemas.topics import RAW_EVENTS
from tests.chaos.clicks import ACCOUNT, CAMPAIGNS, PLATFORM, click, closing_ticks, price, with_ticks
from tests.chaos.ledger import LedgerEvent
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.watching import until
from tests.chaos.world import World

ONE_IN = 100
HUGE_BYTES, HUGE_ONE_IN = 10 << 20, 40  # of the bad ones: the machine's disk is no part of this fault
BAD = "bad"
LETTERS_SQL = """
SELECT partition, offset, code, field, detail,
    reinterpretAsUInt64(substring(MD5(ifNull(value, '')), 1, 8)) AS digest
FROM dead_letters FINAL WHERE topic = {topic:String}
"""


@dataclass(frozen=True, slots=True)
class Poison:
    """`make` turns the body of a good click into bytes that must be refused with this code and field."""

    code: str
    field: str
    make: Callable[[dict[str, Any]], bytes]


def _with(**fields: Any) -> Callable[[dict[str, Any]], bytes]:
    return lambda body: json.dumps(body | fields).encode()  # NaN as JSON does not know it: written all the same


def _without(name: str) -> Callable[[dict[str, Any]], bytes]:
    return lambda body: json.dumps({key: value for key, value in body.items() if key != name}).encode()


POISONS: tuple[Poison, ...] = (
    Poison("malformed", "", lambda body: json.dumps(body).encode()[:-9]),
    Poison("malformed", "", lambda _body: b"\xff\xfe\x00not text"),
    Poison("malformed", "", lambda body: json.dumps([body]).encode()),
    Poison("malformed", "", lambda _body: b'{"a":' * 5_000),
    Poison("bad_type", "count", _with(count="5")),
    Poison("bad_type", "spend_micros", _with(spend_micros=1.5)),
    Poison("bad_type", "event_id", _with(event_id=17)),
    Poison("missing_field", "platform", _without("platform")),
    Poison("missing_field", "event_id", _without("event_id")),
    Poison("bad_value", "spend_micros", _with(spend_micros=float("nan"))),
    Poison("bad_value", "spend_micros", _with(spend_micros=float("inf"))),
    Poison("bad_value", "spend_micros", _with(spend_micros=-1)),
    Poison("bad_value", "count", _with(count=0)),
    Poison("bad_value", "type", _with(type="purchase")),
    Poison("bad_value", "platform", _with(platform="myspace")),
    Poison("bad_time", "at", _with(at=1)),
    Poison("bad_time", "at", _with(at="2999-01-01T00:00:00Z")),
    Poison("bad_time", "at", _with(at="2026-13-45T00:00:00Z")),
    Poison("bad_time", "at", _with(at="2026-11-20T12:00:00")),
    Poison("bad_currency", "currency", _with(currency="euro")),
    Poison("bad_currency", "currency", _with(currency="USD")),
    Poison("bad_zone", "zone", _with(zone="Mars/Olympus")),
    Poison("wrong_key", "campaign_id", _with(campaign_id="another")),
)
HUGE = Poison("oversized", "", _with(note="x" * HUGE_BYTES))


def events(plan: Plan) -> Iterator[LedgerEvent]:
    """The first half is clean, for comparison."""
    start_ms = time.time_ns() // 1_000_000
    yield from with_ticks(_poisoned(plan, start_ms))
    yield from closing_ticks(start_ms + int(plan.seconds * 1000))


def _poisoned(plan: Plan, start_ms: int) -> Iterator[LedgerEvent]:
    dice, half = random.Random(14), plan.events // 2
    for number in range(plan.events):
        received_ms = start_ms + int(number * 1000 / plan.per_s)
        # The first events of a campaign are good: what is bad about a bad one is not that nobody knows its campaign.
        bad = number >= half and number % ONE_IN == 0
        good = click(
            f"good-{number}",
            f"c{dice.randrange(CAMPAIGNS)}",
            at_ms=received_ms - 1,
            received_ms=received_ms,
            spend_micros=price(dice),
        )
        yield _spoiled(good, (number - half) // ONE_IN) if bad else good


def _spoiled(good: LedgerEvent, number: int) -> LedgerEvent:
    poison = HUGE if number % HUGE_ONE_IN == HUGE_ONE_IN - 1 else POISONS[number % len(POISONS)]
    value = poison.make(json.loads(good.value or b"") | {"event_id": f"{BAD}-{number}"})
    return LedgerEvent(
        event_id="|".join((BAD, poison.code, poison.field, str(number))),
        campaign=f"{PLATFORM}:{ACCOUNT}:{good.campaign.rpartition(':')[2]}",
        at_ms=good.at_ms,
        received_ms=good.received_ms,
        value=value,
        counts=False,
    )


def disturb(world: World, plan: Plan) -> None:
    """The load is the fault. Meanwhile: what a record costs the workers, without bad ones and with."""
    until("counting has begun", lambda: world.ledger.acked > plan.events * 0.1, 60)
    begun = _cost(world)
    until("the clean half is over", lambda: world.ledger.acked >= plan.events * 0.5, 10 * plan.seconds)
    clean = _cost(world)
    with world.fault("bad records"):
        until("the load is over", world.load_over, 10 * plan.seconds)
    poisoned = _cost(world)
    world.figures |= {
        "worker CPU a record, clean us": _per_record(begun, clean),
        "worker CPU a record, 1 % bad us": _per_record(clean, poisoned),
    }


def _cost(world: World) -> tuple[int, float]:
    """(records acknowledged, CPU seconds of all workers)."""
    pids = [world.system.pid(name) for name in world.names() if name.startswith("worker")]
    times = [psutil.Process(pid).cpu_times() for pid in pids if pid is not None]
    return world.ledger.acked, sum(each.user + each.system for each in times)


def _per_record(before: tuple[int, float], after: tuple[int, float]) -> float:
    return round((after[1] - before[1]) / max(1, after[0] - before[0]) * 1e6, 1)


def check(world: World) -> list[str]:
    """Each bad record has its letter, with its place, code, field, a sentence and its bytes; no good one has."""
    found = {
        (row["partition"], row["offset"]): (row["code"], row["field"], row["digest"])
        for row in world.system.sql(LETTERS_SQL, topic=RAW_EVENTS)
        if row["detail"]
    }
    expected: dict[tuple[int, int], tuple[str, str, int]] = {}
    for entry in world.ledger:
        if entry.event_id.startswith(f"{BAD}|"):
            _, code, field, _ = entry.event_id.split("|")
            expected[entry.partition, entry.offset] = (code, field, entry.digest)
    world.figures |= {"bad records": len(expected), "letters": len(found)}
    wrong = [
        f"partition {place[0]} offset {place[1]}: letter {found.get(place)}, due is {expected.get(place)}"
        for place in sorted({*expected, *found})
        if found.get(place) != expected.get(place)
    ]
    return wrong[:20]


SCENARIO = Scenario(
    code="F14",
    title="One record in a hundred is bad, of 24 kinds up to 10 MB: all become letters, nothing good is lost.",
    short=Plan(per_s=1_000, seconds=24),
    full=Plan(per_s=2_000, seconds=500),
    disturb=disturb,
    events=events,
    check=check,
)
