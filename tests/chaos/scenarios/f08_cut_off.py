"""F8: the network between our processes and the broker, then that to ClickHouse, carries nothing for a while."""

import time

from tests.chaos.copies import enter_copies
from tests.chaos.proxied import clickhouse_behind, kafka_behind
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.slow_proxy import SlowProxy
from tests.chaos.watching import LOAD_LIMIT_S, until
from tests.chaos.world import World

BETWEEN_S = 5.0


def prepare(world: World, _plan: Plan) -> None:
    world.proxies = {"broker": kafka_behind(world.system), "ClickHouse": clickhouse_behind(world.system)}


def disturb(world: World, plan: Plan) -> None:
    for _ in range(plan.times):
        for name, proxy in world.proxies.items():
            time.sleep(BETWEEN_S)
            with world.fault(f"{name} cut off for {plan.pause_s:g} s"):
                _cut(proxy, plan.pause_s)
            # And the other way a network fails: every connection is reset at once.
            time.sleep(BETWEEN_S)
            with world.fault(f"connections to {name} reset"):
                proxy.break_off()
    until("the load is over", world.load_over, LOAD_LIMIT_S + 10 * plan.seconds)
    world.figures["sent twice by the load's own client"] = enter_copies(world)


def _cut(proxy: SlowProxy, seconds: float) -> None:
    proxy.hold()
    try:
        time.sleep(seconds)
    finally:
        proxy.release()


SCENARIO = Scenario(
    code="F8",
    title="Workers and sink are cut off from the broker, and from ClickHouse, for 60 s each (short: 12 s).",
    short=Plan(per_s=1_000, seconds=44, times=1, pause_s=12),
    full=Plan(per_s=2_000, seconds=420, times=2, pause_s=60),
    disturb=disturb,
    prepare=prepare,
)
