"""F9: ClickHouse is away for long; the sink waits in bounded memory, says so, and catches up."""

import time
from collections.abc import Iterator

from connectors.clickhouse.positions import stored_positions
from connectors.kafka_admin import admin
from connectors.lag import end_offsets
from schemas.tables import SINK_TOPICS
from schemas.topics import RAW_EVENTS
from tests.chaos.clicks import present
from tests.chaos.ledger import LedgerEvent
from tests.chaos.proxied import sink_port
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.watching import Watch, metric, resident_mib, until, until_back
from tests.chaos.world import World

LONGER = (1, 10)  # times `pause_s`, one absence after the other
GROWTH_MIB = 500.0  # two blocks a partition and 192 MiB of waiting records, as Python objects and as Arrow
CATCH_UP_LIMIT = 10.0  # times the absence, and a minute
FASTER_THAN_LOAD = 2.0


def events(plan: Plan) -> Iterator[LedgerEvent]:
    """The sink's age is that of the records' own time, so they have to be of now."""
    yield from present(plan.events, plan.per_s)


def prepare(world: World, plan: Plan) -> None:
    world.ports = {"sink": sink_port(world.system)}
    if not world.full:
        world.system.environment["PULSE_SINK__BLOCK_ROWS"] = "500"  # a short absence, too, has to fill what may wait


def disturb(world: World, plan: Plan) -> None:
    for number in range(plan.times):
        time.sleep(3.0)
        _away(world, plan, plan.pause_s * LONGER[number])


def _away(world: World, plan: Plan, away_s: float) -> None:
    system, port = world.system, world.ports["sink"]
    watch = Watch(
        sink_mib=resident_mib(lambda: system.pid("sink")),
        sink_age_s=lambda: metric(port, "pulse_sink_age_seconds"),
        fetched=lambda: metric(port, "pulse_records_received_total", stage="sink"),
    )
    with world.fault(f"ClickHouse away for {away_s:g} s"):
        system.supervisor.stop_part("clickhouse")
        appended = _ends(world)
        with watch:
            time.sleep(away_s)
        appended = _ends(world) - appended
        system.supervisor.start_part("clickhouse")
        until_back(system.clickhouse)
    started, before = time.monotonic(), _stored(world)
    until("the sink has caught up", lambda: _behind(world) < plan.per_s * 2, CATCH_UP_LIMIT * away_s + 60)
    drained_per_s = (_stored(world) - before) / (time.monotonic() - started)
    world.figures |= {
        "away s": away_s,
        "sink memory grown MiB": round(watch.peaks["sink_mib"] - watch.firsts["sink_mib"]),
        "longest sink age s": round(watch.peaks["sink_age_s"], 1),
        "records appended meanwhile": appended,
        "records fetched meanwhile": round(watch.peaks["fetched"] - watch.firsts["fetched"]),
        "raw records stored a second after": round(drained_per_s),
    }


def check(world: World) -> list[str]:
    """Of the last absence, which is the longest."""
    figures, wrong = world.figures, []
    if figures["sink memory grown MiB"] > GROWTH_MIB:
        wrong.append(f"the sink grew by {figures['sink memory grown MiB']} MiB, more than {GROWTH_MIB:g}")
    if figures["longest sink age s"] < 0.8 * figures["away s"]:
        wrong.append(f"the sink's age said {figures['longest sink age s']} s, not {figures['away s']:g}")
    if figures["records fetched meanwhile"] > 0.6 * figures["records appended meanwhile"]:
        wrong.append("the sink went on fetching what it could not store")
    # How fast is judged in the full form only: in the short one there is too little to catch up with.
    drained, load = figures["raw records stored a second after"], world.plan.per_s
    if world.full and drained < FASTER_THAN_LOAD * load:
        wrong.append(f"{drained} raw records a second after the return, at a load of {load:g}")
    return wrong


def _ends(world: World) -> int:
    return sum(end_offsets(admin(world.system.settings), SINK_TOPICS, world.system.settings.partitions).values())


def _stored(world: World) -> int:
    return sum(count for (topic, _), count in stored_positions(world.system.settings).items() if topic == RAW_EVENTS)


def _behind(world: World) -> int:
    settings = world.system.settings
    return sum(end_offsets(admin(settings), [RAW_EVENTS], settings.partitions).values()) - _stored(world)


SCENARIO = Scenario(
    code="F9",
    title="ClickHouse is away for 1 and then for 10 minutes (short: 20 s).",
    short=Plan(per_s=1_000, seconds=40, times=1, pause_s=20),
    full=Plan(per_s=2_000, seconds=1_200, times=2, pause_s=60),
    disturb=disturb,
    prepare=prepare,
    events=events,
    check=check,
)
