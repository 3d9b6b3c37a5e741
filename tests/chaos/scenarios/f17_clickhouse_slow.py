"""F17: ClickHouse answers, but later and later: 100 ms an insert, up to 5 s."""

import time
from collections.abc import Iterator

from tests.chaos.clicks import present
from tests.chaos.ledger import LedgerEvent
from tests.chaos.proxied import clickhouse_behind, sink_port
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.watching import Watch, metric, resident_mib, until
from tests.chaos.world import World

DELAYS_S = (0.1, 0.5, 1.0, 2.0, 5.0)
GROWTH_MIB = 500.0  # two blocks a partition and 192 MiB of waiting records, as Python objects and as Arrow
RESTORED = '"event":"state restored"'


def events(plan: Plan) -> Iterator[LedgerEvent]:
    """The sink's age is that of the records' own time, so they have to be of now."""
    yield from present(plan.events, plan.per_s)


def prepare(world: World, _plan: Plan) -> None:
    world.proxies = {"ClickHouse": clickhouse_behind(world.system)}
    world.ports = {"sink": sink_port(world.system)}


def disturb(world: World, plan: Plan) -> None:
    system, proxy, port = world.system, world.proxies["ClickHouse"], world.ports["sink"]
    until("all workers count", lambda: all(system.log(name).count(RESTORED) for name in _workers(world)), 60)
    before = _rebalances(world)
    sink_age = Watch(
        sink_mib=resident_mib(lambda: system.pid("sink")), sink_age_s=lambda: metric(port, "pulse_sink_age_seconds")
    )
    with sink_age, world.fault("ClickHouse slow"):
        for delay_s in DELAYS_S:
            proxy.delay_s = delay_s
            time.sleep(plan.pause_s)
        proxy.delay_s = 0.0
    grown = sink_age.peaks["sink_mib"] - sink_age.firsts["sink_mib"]
    world.figures |= {
        "sink memory grown MiB": round(grown),
        "longest sink age s": round(sink_age.peaks["sink_age_s"], 1),
        "rebalances meanwhile": _rebalances(world) - before,
    }


def check(world: World) -> list[str]:
    wrong = []
    if world.figures["rebalances meanwhile"]:
        wrong.append(f"{world.figures['rebalances meanwhile']} rebalances: counting must not feel ClickHouse")
    if world.figures["sink memory grown MiB"] > GROWTH_MIB:
        wrong.append(f"the sink grew by {world.figures['sink memory grown MiB']} MiB, more than {GROWTH_MIB:g}")
    if world.figures["longest sink age s"] < DELAYS_S[-1]:
        wrong.append("the sink's age never said that ClickHouse was slow")
    return wrong


def _rebalances(world: World) -> int:
    return sum(world.system.log(name).count(RESTORED) for name in _workers(world))


def _workers(world: World) -> list[str]:
    return [name for name in world.system.started if name.startswith("worker")]


SCENARIO = Scenario(
    code="F17",
    title="Every insert takes ClickHouse 100 ms, then longer, at last 5 s: counting goes on as if nothing were.",
    short=Plan(per_s=1_000, seconds=30, pause_s=5),
    full=Plan(per_s=2_000, seconds=720, pause_s=120),
    disturb=disturb,
    prepare=prepare,
    events=events,
    check=check,
)
