"""F22: the workers' group is set back to the first record of a live store: nothing may change."""

import time

from agents.replay import RAW_TOPICS, _members, rewind
from connectors.kafka_admin import admin
from connectors.lag import end_offsets
from schemas.topics import ALERT_TOPICS
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.watching import until
from tests.chaos.world import World

EMPTY_LIMIT_S, RESTED_LIMIT_S = 45.0, 600.0
FIGURES_SQL = """
SELECT count() AS totals, sum(cityHash64(total_id, version, spend_micros, impressions, clicks)) AS hash
FROM totals FINAL
"""


def disturb(world: World, plan: Plan) -> None:
    """Once while the load flows, once over everything, with a look before and after."""
    time.sleep(plan.seconds / 2)
    _replay(world)
    until("the load is over", world.load_over, plan.seconds * 3 + 60)
    world.system.drain(RESTED_LIMIT_S)
    world.notes["before"] = _look(world)
    world.figures["records read again"] = _replay(world)


def check(world: World) -> list[str]:
    before, after = world.notes["before"], _look(world)
    return [f"{name}: {before[name]} before, {after[name]} after" for name in before if before[name] != after[name]]


def _replay(world: World) -> int:
    system = world.system
    settings, workers = system.settings, [name for name in world.names() if name.startswith("worker")]
    with world.fault("everything is read again"):
        for name in workers:
            system.supervisor.stop_part(name)
        until("the group is empty", lambda: not _members(admin(settings), settings.worker.group), EMPTY_LIMIT_S)
        records = rewind(settings, RAW_TOPICS)
        for name in workers:
            system.supervisor.start_part(name)
    return records


def _look(world: World) -> dict[str, int]:
    settings = world.system.settings
    totals = world.system.sql(FIGURES_SQL)[0]
    delivered = end_offsets(admin(settings), ALERT_TOPICS, settings.partitions)
    return {"totals": totals["totals"], "hash of totals": totals["hash"], "alerts delivered": sum(delivered.values())}


SCENARIO = Scenario(
    code="F22",
    title="Every raw record is read again from the first, into a live store.",
    short=Plan(per_s=1_000, seconds=20),
    full=Plan(per_s=2_000, seconds=600),
    disturb=disturb,
    check=check,
)
