"""F1: kill -9 of a random worker or the sink, every few seconds."""

import time

from tests.chaos.lag_watch import longest_standstill_s
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.world import World

LONGEST_STANDSTILL_S = 60.0  # judged in the full form only: how fast is a matter of the machine


def disturb(world: World, plan: Plan) -> None:
    names = world.names()
    killed: list[str] = []
    while len(killed) < plan.times:
        time.sleep(plan.pause_s)
        # In the end each has died at least once, whatever the dice say.
        left = [name for name in names if name not in killed]
        name = left[0] if left and plan.times - len(killed) <= len(left) else world.random.choice(names)
        if world.is_running(name):
            with world.fault(f"kill -9 {name}"):
                world.kill(name)
            killed.append(name)
    world.notes["killed"], world.notes["names"] = killed, names
    world.figures["kills"] = {name: killed.count(name) for name in names}


def check(world: World) -> list[str]:
    wrong = [f"{name} was never killed" for name in world.notes["names"] if name not in world.notes["killed"]]
    stood_s = longest_standstill_s(world.own_samples())
    return [*wrong, f"nothing was counted for {stood_s} s"] if world.full and stood_s > LONGEST_STANDSTILL_S else wrong


SCENARIO = Scenario(
    code="F1",
    title="A random worker or the sink is killed (kill -9) every few seconds under load.",
    short=Plan(per_s=1_000, seconds=44, times=20, pause_s=2),
    full=Plan(per_s=2_000, seconds=1_800, times=355, pause_s=5),
    disturb=disturb,
    check=check,
)
