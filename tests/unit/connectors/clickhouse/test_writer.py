"""What becomes ready at the same instant shares inserts, however many partitions bring it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest

from connectors.clickhouse import writer as writing
from connectors.clickhouse.writer import WRITERS, BlockWriter
from connectors.clock import Clock
from connectors.settings import load_settings
from schemas.topics import TOTALS
from tests.integration.clickhouse_rows import total
from tests.partition import Rec

PARTITIONS = WRITERS + 4
LEDGER = {"topic_id": "id", "first_offset": 0, "rows": 1, "skipped": 0, "refused": 0, "newest_ms": 0}


class Inserts:
    """Stands in for the client."""

    write_compression = None

    def __init__(self) -> None:
        self.tables: list[str] = []

    async def raw_insert(self, table: str, _columns: Any, data: Any, _options: Any, _form: str) -> None:
        self.tables.append(table)
        if isinstance(data, AsyncIterator):
            async for _ in data:
                pass


@contextmanager
def made(inserts: Inserts) -> Iterator[BlockWriter]:
    async def refuse(*_: Any) -> None:
        raise AssertionError("nothing is to be refused")

    writer = BlockWriter(inserts, load_settings(environ={}), Clock.real(), refuse, asyncio.Event())
    try:
        yield writer
    finally:
        writer.close()


async def of_all_partitions(writer: BlockWriter) -> None:
    body = total()
    record = Rec(0, 1_000, body["total_id"].encode(), orjson.dumps(body))
    await asyncio.gather(*(writer.write(TOTALS, "id", number, [record]) for number in range(PARTITIONS)))


async def test_small_blocks_of_any_number_of_partitions_are_one_insert_a_table() -> None:
    inserts = Inserts()
    with made(inserts) as writer:
        await of_all_partitions(writer)
    assert sorted(inserts.tables) == sorted(set(inserts.tables))
    assert "totals" in inserts.tables


async def test_large_blocks_are_prepared_so_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SMALL_BYTES", 0)
    inserts = Inserts()
    with made(inserts) as writer:
        await of_all_partitions(writer)
    assert inserts.tables.count("totals") == 2


async def test_ranges_that_end_one_soon_after_the_other_share_an_insert() -> None:
    inserts = Inserts()
    with made(inserts) as writer:
        ledger = asyncio.create_task(writer.keep_ledger())
        rows = [{**LEDGER, "topic": TOTALS, "partition": number, "last_offset": number} for number in range(3)]
        first = asyncio.create_task(writer.remember(rows[0]))
        await asyncio.sleep(0.02)
        await asyncio.wait_for(asyncio.gather(first, *map(writer.remember, rows[1:])), 5)
        ledger.cancel()
    assert inserts.tables == ["sink_blocks"]
