"""F25: one campaign has half of the traffic, the rest is spread over very many: latency and memory are bounded."""

import time
from collections.abc import Iterator

from tests.chaos.ledger import LedgerEvent
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.watching import Watch, resident_mib
from tests.chaos.wide import wide
from tests.chaos.world import World

HOT_SHARE = 0.5
CAMPAIGNS_FULL, CAMPAIGNS_SHORT = 100_000, 5_000
WORKER_MIB = 150.0  # of a worker without campaigns, and what it fetches ahead
CAMPAIGN_KIB = 16.0  # of all rows of a campaign and its ads, ids included


def _campaigns(plan: Plan) -> int:
    return CAMPAIGNS_FULL if plan == SCENARIO.full else CAMPAIGNS_SHORT


def events(plan: Plan) -> Iterator[LedgerEvent]:
    return wide(plan.events, campaigns=_campaigns(plan), hot_share=HOT_SHARE)


def disturb(world: World, plan: Plan) -> None:
    workers = [name for name in world.names() if name.startswith("worker")]
    with Watch(**{name: resident_mib(lambda name=name: world.system.pid(name)) for name in workers}) as watch:  # type: ignore[misc]
        deadline_s = time.monotonic() + plan.seconds * 3 + 60
        while not world.load_over() and time.monotonic() < deadline_s:
            time.sleep(0.5)
    world.figures |= {
        "campaigns": _campaigns(plan),
        "share of the hot one": HOT_SHARE,
        "worker memory MiB": {name: round(watch.peaks[name]) for name in workers},
        "largest lag, records": max((sample.lag for sample in world.samples), default=0),
    }


def check(world: World) -> list[str]:
    allowed = WORKER_MIB + _campaigns(world.plan) * CAMPAIGN_KIB / 1024
    return [
        f"{name} took {mib} MiB, more than {allowed:.0f}"
        for name, mib in world.figures["worker memory MiB"].items()
        if mib > allowed
    ]


SCENARIO = Scenario(
    code="F25",
    title="One campaign has half of the traffic, the rest goes to 100,000 others (short: 5,000).",
    short=Plan(per_s=1_000, seconds=20),
    full=Plan(per_s=2_000, seconds=300),
    disturb=disturb,
    events=events,
    check=check,
)
