"""F4: the sink dies between its rows and the range that says they are stored, and right behind it."""

from tests.chaos.dying import die_often
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.world import World

CHANCES = "block_written:0.3,range_written:0.1"
ENOUGH = 3  # of the deaths that are asked for, one in so many must happen before the load is over
PHYSICAL_SQL = "SELECT count() - uniqExact(topic, partition, offset) AS twice FROM raw_records"


def disturb(world: World, plan: Plan) -> None:
    world.figures["deaths of the sink"] = die_often(
        world,
        ["sink"],
        "sink",
        times=plan.times,
        PULSE_SINK__FAILPOINTS=CHANCES,
    )


def check(world: World) -> list[str]:
    """A block is cut anew after a death, so its rows may stand twice until a merge: FINAL must not see that."""
    world.figures["raw rows that wait for a merge"] = world.system.sql(PHYSICAL_SQL)[0]["twice"]
    final = world.system.sql(f"{PHYSICAL_SQL} FINAL")[0]["twice"]
    wrong = [f"{final} raw records are there twice under FINAL"] if final else []
    died = world.figures["deaths of the sink"]
    return [*wrong, f"the sink died {died} times only"] if died < world.plan.times / ENOUGH else wrong


SCENARIO = Scenario(
    code="F4",
    title="The sink dies between the rows of a block and the range that says they are stored.",
    short=Plan(per_s=1_000, seconds=15, times=4),
    full=Plan(per_s=1_000, seconds=1_200, times=200),
    disturb=disturb,
    check=check,
)
