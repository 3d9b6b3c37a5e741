"""F10: ClickHouse is killed while an insert is under way: nobody knows whether it was stored."""

import threading
import time

from tests.chaos.proxied import clickhouse_behind
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.watching import until_back
from tests.chaos.world import World

INSERT = b"INSERT INTO"
SEEN_LIMIT_S = 60.0
LATEST_S = 0.03  # an insert takes 5 to 40 ms: some kills fall before its end, some between its end and the answer


def prepare(world: World, _plan: Plan) -> None:
    world.proxies = {"ClickHouse": clickhouse_behind(world.system)}


def disturb(world: World, plan: Plan) -> None:
    server, proxy = world.system.clickhouse, world.proxies["ClickHouse"]
    inserting = threading.Event()

    def look(request: bytes) -> None:
        if INSERT in request:
            inserting.set()

    proxy.on_request = look
    for _ in range(plan.times):
        time.sleep(plan.pause_s)
        inserting.clear()
        assert inserting.wait(SEEN_LIMIT_S), "the sink inserts nothing"
        time.sleep(world.random.uniform(0, LATEST_S))
        pid = server.pid
        with world.fault("ClickHouse killed"):
            world.kill("clickhouse")
            until_back(server, but_not=pid)
    proxy.on_request = None


def check(world: World) -> list[str]:
    """The same block sent again is known by its token: not even unmerged rows are doubled."""
    sql = "SELECT count() - uniqExact(topic, partition, offset) AS twice FROM raw_records"
    twice = world.system.sql(sql)[0]["twice"]
    return [f"{twice} raw records are stored twice before merging"] if twice else []


SCENARIO = Scenario(
    code="F10",
    title="ClickHouse is killed in the middle of an insert 100 times (short: 3).",
    short=Plan(per_s=1_000, seconds=25, times=3, pause_s=2),
    full=Plan(per_s=2_000, seconds=900, times=100, pause_s=2),
    disturb=disturb,
    prepare=prepare,
    check=check,
)
