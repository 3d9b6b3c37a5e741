"""F16: a worker more, a worker less, over and over: every time partitions change hands under load."""

import time

from tests.chaos.lag_watch import longest_standstill_s
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.watching import until
from tests.chaos.world import World

TAKEN_UP_LIMIT_S = 120.0  # on a busy machine; two seconds where nothing else runs
LONGEST_STANDSTILL_S = 30.0  # judged in the full form only: how fast is a matter of the machine
RESTORED = '"event":"state restored"'


def disturb(world: World, plan: Plan) -> None:
    """Without a slot of its own a worker joins and leaves the group at once, and everybody gets new partitions.

    A change waits for the one before to be taken up: two that come together are one, or none.
    """
    supervisor, guest = world.system.supervisor, "worker-guest"
    for number in range(plan.times):
        before = _assignments(world)
        with world.fault("a worker joins" if number % 2 == 0 else "a worker leaves"):
            if number % 2:
                supervisor.stop_part(guest)
            elif number:
                supervisor.start_part(guest)
            else:
                world.system.start(guest, "worker", PULSE_WORKER__INSTANCE="")
        time.sleep(plan.pause_s)
        _until_taken_up(world, before)
    if plan.times % 2:
        supervisor.stop_part(guest)
    world.figures["assignments"] = _assignments(world)


def _until_taken_up(world: World, before: int) -> None:
    until("partitions are given out anew", lambda: _assignments(world) > before, TAKEN_UP_LIMIT_S)


def _assignments(world: World) -> int:
    names = [name for name in world.system.started if name.startswith("worker")]
    return sum(world.system.log(name).count(RESTORED) for name in names)


def check(world: World) -> list[str]:
    wrong = []
    stood_s = longest_standstill_s(world.own_samples())
    if world.full and stood_s > LONGEST_STANDSTILL_S:
        wrong.append(f"nothing was counted for {stood_s} s")
    if world.figures["assignments"] <= world.plan.times:
        wrong.append(f"only {world.figures['assignments']} assignments: the guest changed nothing")
    return wrong


SCENARIO = Scenario(
    code="F16",
    title="A worker joins and leaves every few seconds: a rebalance each time.",
    short=Plan(per_s=1_000, seconds=22, times=4, pause_s=5),
    full=Plan(per_s=2_000, seconds=1_200, times=118, pause_s=10),
    disturb=disturb,
    check=check,
)
