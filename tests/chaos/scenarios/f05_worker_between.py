"""F5: workers die between any two of their writes: before a flush, behind totals, changelog, acknowledgement."""

from tests.chaos.dying import die_often
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.world import World

CHANCES = "before_flush:0.05,totals_written:0.15,rows_written:0.15,acked:0.05"
ENOUGH = 3  # of the deaths that are asked for, one in so many must happen before the load is over


def disturb(world: World, plan: Plan) -> None:
    workers = [name for name in world.names() if name.startswith("worker")]
    world.figures["deaths of workers"] = die_often(
        world,
        workers,
        "worker",
        times=plan.times,
        PULSE_WORKER__FAILPOINTS=CHANCES,
    )


def check(world: World) -> list[str]:
    died = world.figures["deaths of workers"]
    return [f"workers died {died} times only"] if died < world.plan.times / ENOUGH else []


SCENARIO = Scenario(
    code="F5",
    title="Workers die between any two of their writes: totals, changelog, acknowledgement.",
    short=Plan(per_s=1_000, seconds=15, times=6),
    full=Plan(per_s=1_000, seconds=1_200, times=200),
    disturb=disturb,
    check=check,
)
