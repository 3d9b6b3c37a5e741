"""F3: every process of ours is asked to end (SIGTERM) and comes back, one after the other."""

from tests.chaos.lag_watch import longest_standstill_s
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.watching import until
from tests.chaos.world import World

STOP_LIMIT_S, BACK_LIMIT_S = 15.0, 60.0
LONGEST_STANDSTILL_S = 60.0  # judged in the full form only: how fast is a matter of the machine
RESTORED = '"event":"state restored"'


def disturb(world: World, plan: Plan) -> None:
    for _ in range(plan.times):
        for name in world.names():
            with world.fault(f"{name} restarted in order"):
                _restart(world, name)


def _restart(world: World, name: str) -> None:
    """Returns when the new one has what it needs: a worker its state, the sink a life of its own."""
    system, before, restored = world.system, world.system.pid(name), world.system.log(name).count(RESTORED)
    world.stop(name)
    until(f"{name} ends when asked", lambda: not world.is_running(name) or system.pid(name) != before, STOP_LIMIT_S)
    until(f"{name} is back", lambda: world.is_running(name) and system.pid(name) != before, BACK_LIMIT_S)
    if name.startswith("worker"):
        until(f"{name} has its state", lambda: system.log(name).count(RESTORED) > restored, BACK_LIMIT_S)


def check(world: World) -> list[str]:
    stood_s = longest_standstill_s(world.own_samples())
    return [f"nothing was counted for {stood_s} s"] if world.full and stood_s > LONGEST_STANDSTILL_S else []


SCENARIO = Scenario(
    code="F3",
    title="Workers and sink are restarted in order, one after the other, again and again.",
    short=Plan(per_s=1_000, seconds=25, times=2),
    full=Plan(per_s=2_000, seconds=600, times=10),
    disturb=disturb,
    check=check,
)
