"""F2: a burst of kills, faster than a process can start: state is restored and thrown away again and again."""

import time

from tests.chaos.scenario import Plan, Scenario
from tests.chaos.world import World

SHORTEST_S = 0.1


def disturb(world: World, plan: Plan) -> None:
    names = world.names()
    with world.fault(f"{plan.times} kills, one every {SHORTEST_S:g} to {plan.pause_s:g} s"):
        done = 0
        while done < plan.times:
            time.sleep(world.random.uniform(SHORTEST_S, plan.pause_s))
            world.hurry()
            done += world.kill(world.random.choice(names))


SCENARIO = Scenario(
    code="F2",
    title="Thirty kills (kill -9) of workers and sink within seconds, many of them while they start.",
    short=Plan(per_s=1_000, seconds=25, times=30, pause_s=1),
    full=Plan(per_s=1_000, seconds=300, times=300, pause_s=1),
    disturb=disturb,
)
