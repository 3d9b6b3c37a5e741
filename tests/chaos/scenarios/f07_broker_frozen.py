"""F7: the broker stands still (SIGSTOP) for longer than any session, and goes on."""

import time

from tests.chaos.copies import enter_copies
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.watching import LOAD_LIMIT_S, until
from tests.chaos.world import World

LONGER = 4  # each freeze lasts so many times as long as the one before: 30 s, then 120 s
BETWEEN_S = 5.0


def disturb(world: World, plan: Plan) -> None:
    for number in range(plan.times):
        time.sleep(BETWEEN_S)
        frozen_s = plan.pause_s * LONGER**number
        with world.fault(f"broker frozen for {frozen_s:g} s"):
            world.freeze("kafka", frozen_s)
    until("the load is over", world.load_over, LOAD_LIMIT_S + 10 * plan.seconds)
    world.figures["sent twice by the load's own client"] = enter_copies(world)


SCENARIO = Scenario(
    code="F7",
    title="The broker is frozen for 30 s and for 120 s (short: 12 s); workers rejoin by themselves.",
    short=Plan(per_s=1_000, seconds=24, times=1, pause_s=12),
    full=Plan(per_s=2_000, seconds=240, times=2, pause_s=30),
    disturb=disturb,
)
