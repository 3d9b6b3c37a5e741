"""F30: the oracle itself: one stored record is taken away and one is doubled, and it must name exactly these two."""

import time
from dataclasses import replace

from connectors.clickhouse.client import connected
from schemas.topics import RAW_EVENTS
from tests.chaos.ledger import Entry
from tests.chaos.oracle import Damage, Findings
from tests.chaos.scenario import Plan, Scenario
from tests.chaos.world import World

FAR_OFFSET = 10_000_000
HERE = "topic = {topic:String} AND partition = {partition:UInt32} AND offset = {offset:UInt64}"
LOSE = f"ALTER TABLE raw_records DELETE WHERE {HERE} SETTINGS mutations_sync = 2"
DOUBLE = f"""
INSERT INTO raw_records (topic, topic_id, partition, offset, key, timestamp, value)
SELECT topic, topic_id, partition, {FAR_OFFSET}, key, timestamp, value FROM raw_records FINAL WHERE {HERE}
"""
A_DAY = """
SELECT total_id, campaign_key, basis, window, toUnixTimestamp64Milli(start) AS start_ms, spend_micros
FROM totals FINAL WHERE basis = 'counted' AND window = '1d' ORDER BY total_id LIMIT 1
"""
OVERSTATE = """
INSERT INTO totals (* EXCEPT(ingested_at))
SELECT * EXCEPT ingested_at REPLACE (version + 4 AS version, spend_micros + 1 AS spend_micros)
FROM totals FINAL WHERE total_id = {total:String}
"""


def disturb(world: World, plan: Plan) -> None:
    time.sleep(plan.seconds)


def check(world: World) -> list[str]:
    """Looks twice: nothing is wrong; then three things are, and `pulse verify` sees the same three."""
    from tests.chaos.run import findings_of

    before = findings_of(world.system, world.ledger)
    if not before.ok:
        return ["the oracle found damage before there was any"]
    lost, doubled = _two_events(world)
    total = _damage(world, lost, doubled)
    after, expected = findings_of(world.system, world.ledger), _expected(before, lost, doubled, total)
    names = [name for name in Findings.__dataclass_fields__ if getattr(after, name) != getattr(expected, name)]
    wrong = [f"{name}: {getattr(after, name)} instead of {getattr(expected, name)}" for name in names]
    verified = world.system.verify()
    if verified["records_missing"] != 1 or not verified["duplicated"] or verified["drift_micros"] == 0:
        wrong.append(f"pulse verify does not see it: {verified}")
    world.figures["named"] = {"lost": after.lost.named, "duplicated": after.duplicated.named}
    return wrong


def _two_events(world: World) -> tuple[Entry, Entry]:
    """Two events that were sent once, from the middle of the ledger."""
    seen: dict[int, list[Entry]] = {}
    for entry in world.ledger:
        if entry.topic == RAW_EVENTS:
            seen.setdefault(entry.digest, []).append(entry)
    once = [entries[0] for entries in seen.values() if len(entries) == 1]
    return once[len(once) // 2], once[len(once) // 3]


def _damage(world: World, lost: Entry, doubled: Entry) -> str:
    """Returns what is to be said of the window whose total has a micro too much."""
    total = world.system.sql(A_DAY)[0]
    with connected(world.system.settings) as client:
        for sql, entry in ((LOSE, lost), (DOUBLE, doubled)):
            place = {"topic": entry.topic, "partition": entry.partition, "offset": entry.offset}
            client.command(sql, parameters=place)
        client.command(OVERSTATE, parameters={"total": total["total_id"]})
    key = "|".join(str(total[name]) for name in ("campaign_key", "basis", "window", "start_ms"))
    return f"{key}: spend_micros {total['spend_micros']}, found {total['spend_micros'] + 1}"


def _expected(before: Findings, lost: Entry, doubled: Entry, total: str) -> Findings:
    places = sorted(
        (
            f"{doubled.topic}/{doubled.partition}/{doubled.offset}",
            f"{doubled.topic}/{doubled.partition}/{FAR_OFFSET}",
        )
    )
    return replace(
        before,
        lost=Damage(1, (lost.event_id,)),
        duplicated=Damage(1, (f"{doubled.event_id} at {', '.join(places)}",)),
        drift_micros=1,
        too_high=Damage(1, (total,)),
    )


SCENARIO = Scenario(
    code="F30",
    title="The oracle itself is tested: one record is taken away, one doubled, one total raised by a micro.",
    short=Plan(per_s=1_000, seconds=3),
    full=Plan(per_s=1_000, seconds=60),
    disturb=disturb,
    check=check,
)
