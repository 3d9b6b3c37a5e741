"""Raw records and dead letters as stored, for those who count again what Kafka no longer keeps."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from connectors.clickhouse.client import connected, rows
from connectors.settings import Settings

_RAW = """
SELECT offset, toUnixTimestamp64Milli(timestamp) AS at, hex(key) AS key_hex, hex(value) AS value_hex
FROM raw_records FINAL
WHERE topic = {topic:String} AND partition = {partition:UInt32} AND offset > {after:Int64} AND offset < {below:Int64}
ORDER BY offset
LIMIT {most:UInt32}
"""
_LETTERS = """
SELECT offset, key FROM dead_letters FINAL
WHERE topic = {topic:String} AND partition = {partition:UInt32} AND code != 'cleared'
"""


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """Implements `pipeline.state.SourceRecord`. Ticks are not stored; records move the time as well."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class StoredLetter:
    offset: int
    key: bytes | None


async def stored_raw(
    settings: Settings, topic: str, partition: int, *, below: int, batch: int
) -> AsyncIterator[list[StoredRecord]]:
    """Records of one partition with offsets under `below`, in order, `batch` at a time."""
    after = -1
    while True:
        found = await asyncio.to_thread(_page, settings, topic, partition, after, below, batch)
        if not found:
            return
        yield found
        after = found[-1].offset


def _page(settings: Settings, topic: str, partition: int, after: int, below: int, most: int) -> list[StoredRecord]:
    asked = {"topic": topic, "partition": partition, "after": after, "below": below, "most": most}
    with connected(settings) as client:
        return [
            StoredRecord(
                int(row["offset"]),
                int(row["at"]),
                bytes.fromhex(row["key_hex"]) or None,
                bytes.fromhex(row["value_hex"]),
            )
            for row in rows(client, _RAW, asked)
        ]


def stored_dead_letters(settings: Settings, topic: str, partition: int) -> list[StoredLetter]:
    """The letters of one partition that still stand."""
    with connected(settings) as client:
        found = rows(client, _LETTERS, {"topic": topic, "partition": partition})
    return [StoredLetter(int(row["offset"]), None if row["key"] is None else str(row["key"]).encode()) for row in found]
