"""F18: one worker of two has a wrong clock, by ten minutes and by a day, from its start or all of a sudden."""

import os
import time

from tests.chaos import wrong_clock
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.watching import until
from tests.chaos.world import World

MINUTES_S, DAY_S = 600, 86_400
WRONG_S = (MINUTES_S, -MINUTES_S, DAY_S, -DAY_S)
RESTORED, RESTORE_LIMIT_S = '"event":"state restored"', 60.0
SLOT = "worker-2"  # whose partitions the worker with the wrong clock takes over


def disturb(world: World, plan: Plan) -> None:
    for number in range(plan.times):
        wrong_s = WRONG_S[number % len(WRONG_S)]
        # Every second time the clock is right at first and steps while the worker counts.
        step_after_s = plan.pause_s / 2 if number % 2 else 0.0
        with world.fault(f"clock of a worker wrong by {wrong_s} s"):
            _count_with(world, f"worker-wrong-{number}", wrong_s, step_after_s, plan.pause_s)


def _count_with(world: World, name: str, wrong_s: int, step_after_s: float, seconds: float) -> None:
    system = world.system
    environment = wrong_clock.environment(wrong_s, after_s=step_after_s)
    environment["PYTHONPATH"] += os.pathsep + os.environ.get("PYTHONPATH", "")
    system.supervisor.stop_part(SLOT)
    system.start(name, "worker", PULSE_WORKER__INSTANCE=SLOT, **environment)
    until(f"{name} counts", lambda: RESTORED in system.log(name), RESTORE_LIMIT_S)
    time.sleep(seconds)
    system.supervisor.stop_part(name)
    system.supervisor.start_part(SLOT)


SCENARIO = Scenario(
    code="F18",
    title="One of two workers has a clock that is wrong by ten minutes or a day, or steps so while it counts.",
    short=Plan(per_s=1_000, seconds=40, times=4, pause_s=4),
    full=Plan(per_s=2_000, seconds=600, times=8, pause_s=60),
    disturb=disturb,
)
