"""F6: the broker goes and comes back, in turn as asked (SIGTERM) and by kill -9."""

import time

from tests.chaos.copies import enter_copies
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.watching import LOAD_LIMIT_S, until, until_back
from tests.chaos.world import World


def disturb(world: World, plan: Plan) -> None:
    kafka = world.system.kafka
    for number in range(plan.times):
        time.sleep(plan.pause_s)
        pid = kafka.pid
        with world.fault("broker killed" if number % 2 else "broker restarted"):
            if number % 2:
                world.kill("kafka")
            else:
                world.stop("kafka")
            until_back(kafka, but_not=pid)
    until("the load is over", world.load_over, LOAD_LIMIT_S + 10 * plan.seconds)
    world.figures["sent twice by the load's own client"] = enter_copies(world)


SCENARIO = Scenario(
    code="F6",
    title="The broker is restarted again and again, in turn in order and by kill -9.",
    short=Plan(per_s=1_000, seconds=24, times=2, pause_s=3),
    full=Plan(per_s=2_000, seconds=1_200, times=10, pause_s=110),
    disturb=disturb,
)
