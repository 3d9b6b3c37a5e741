"""F23: workers come back on an empty disk: their state is what the changelog says, and how long that takes."""

import re
import shutil
import time
from collections.abc import Iterator

from tests.chaos.ledger import LedgerEvent
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.watching import until
from tests.chaos.wide import wide
from tests.chaos.world import World

PER_CAMPAIGN = 4  # events; each campaign has a dozen rows or so in the state
RESTORED = '"event":"state restored"'
RESTORED_IN = re.compile(r'"partitions":(\d+),"seconds":([\d.]+),"event":"state restored"')
LIMIT_S = 300.0


def events(plan: Plan) -> Iterator[LedgerEvent]:
    return wide(plan.events, campaigns=plan.events // PER_CAMPAIGN)


def disturb(world: World, plan: Plan) -> None:
    time.sleep(plan.pause_s)
    workers = [name for name in world.names() if name.startswith("worker")]
    with world.fault("all workers gone, and their folder with them"):
        for name in workers:
            world.system.supervisor.stop_part(name)
        shutil.rmtree(world.directory / "faust", ignore_errors=True)
        logs = {name: world.system.log(name).count(RESTORED) for name in workers}
        began_s = time.monotonic()
        for name in workers:
            world.system.supervisor.start_part(name)
        until(
            "every worker has its state again",
            lambda: all(world.system.log(name).count(RESTORED) > seen for name, seen in logs.items()),
            LIMIT_S,
        )
    took = [float(seconds) for name in workers for _, seconds in RESTORED_IN.findall(world.system.log(name))]
    world.figures |= {
        "start to state s": round(time.monotonic() - began_s, 1),
        "longest reading of the changelog s": max(took, default=None),
        "campaigns": plan.events // PER_CAMPAIGN,
    }


SCENARIO = Scenario(
    code="F23",
    title="All workers are gone with their disks and come back: the state is read from the changelog.",
    short=Plan(per_s=1_000, seconds=20, pause_s=12),
    full=Plan(per_s=4_000, seconds=320, pause_s=300),
    disturb=disturb,
    events=events,
)
