"""How far each partition is stored: the ranges in `sink_blocks` are the sink's own offsets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clickhouse_connect.driver.asyncclient import AsyncClient

from connectors.clickhouse.client import connected, rows
from connectors.settings import Settings
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

Place = tuple[str, int]  # topic, partition
_STORED = "SELECT topic, partition, max(last_offset) + 1 AS next FROM sink_blocks GROUP BY topic, partition"
_LAST = """
SELECT topic, topic_id, partition, first_offset, last_offset, rows, skipped, refused
FROM sink_blocks FINAL
WHERE topic IN {topics:Array(String)}
ORDER BY last_offset DESC
LIMIT 1 BY topic, topic_id, partition
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """The last range of a partition that is stored. `empty`: it held nothing to store, so the next may extend it."""

    first_offset: int
    last_offset: int
    skipped: int
    empty: bool


def stored_positions(settings: Settings) -> dict[Place, int]:
    """(topic, partition) -> the first offset that is not stored; partitions without any are absent."""
    with connected(settings) as client:
        return {(row["topic"], row["partition"]): int(row["next"]) for row in rows(client, _STORED)}


async def last_stored(client: AsyncClient, topic_ids: Mapping[str, str]) -> dict[Place, Stored]:
    """The last stored range of every partition of these topics.

    Raises Misconfigured(TOPIC_RECREATED) when ranges of another topic of the same name are there: offsets have
    started over, and new records would take the places of stored ones.
    """
    result = await client.query(_LAST, parameters={"topics": list(topic_ids)})
    found = list(result.named_results())
    _refuse_recreated(found, topic_ids)
    return {
        (row["topic"], row["partition"]): Stored(
            row["first_offset"], row["last_offset"], row["skipped"], empty=row["rows"] + row["refused"] == 0
        )
        for row in found
    }


def _refuse_recreated(found: Iterable[Mapping[str, object]], topic_ids: Mapping[str, str]) -> None:
    for row in found:
        topic = str(row["topic"])
        if row["topic_id"] != topic_ids[topic]:
            raise Misconfigured(
                MisconfiguredCode.TOPIC_RECREATED,
                f"Topic {topic} was made again since it was stored (id {topic_ids[topic]}, stored {row['topic_id']}): "
                "its offsets start over and would replace stored records. Set clickhouse.database to a new name and "
                "run `pulse migrate`, or bring the old topic back.",
            )


def refuse_lost(topic: str, partition: int, *, end: int, stored_to: int) -> None:
    """Raises Misconfigured(TOPIC_RECREATED) when the partition ends below what is stored.

    The topic lost records: the next ones would take the places of stored ones, and be taken for repeats of them.
    """
    if stored_to > end:
        raise Misconfigured(
            MisconfiguredCode.TOPIC_RECREATED,
            f"Partition {partition} of {topic} ends at offset {end}, but {stored_to} records of it are stored: the "
            "topic lost records, and new ones would take their places. Bring its log back, or set clickhouse.database "
            "to a new name and run `pulse migrate`.",
        )
