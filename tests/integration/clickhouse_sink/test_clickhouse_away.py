"""A ClickHouse that is away, full or slow: waited for, and the sink holds no more than it may."""

import asyncio
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient

from connectors import telemetry
from connectors.clickhouse import writer
from connectors.clickhouse.client import connected
from connectors.clickhouse.migrations import migrate
from connectors.clickhouse.sink import run_sink
from connectors.clock import Clock
from connectors.local.clickhouse_server import ClickHouseServer
from connectors.settings import Settings
from schemas.topics import RAW_EVENTS
from tests.integration.clickhouse_rows import ask, settings_of
from tests.integration.clickhouse_sink.sinking import event, send, sinking, stored, until


@dataclass
class Said:
    """A logger that keeps what it is told."""

    events: list[str] = field(default_factory=list)

    def warning(self, event: str, **_fields: object) -> None:
        self.events.append(event)

    info = warning


async def test_clickhouse_away_is_waited_for_said_once_and_caught_up(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Said()
    monkeypatch.setattr(writer, "log", said)
    server = ClickHouseServer(tmp_path / "clickhouse")
    server.start()
    server.wait_ready()
    try:
        own = settings.model_copy(
            update={"clickhouse": settings_of(server.http_port, "pulse").clickhouse, "data_dir": tmp_path}
        )
        migrate(own)
        async with sinking(own):
            await send(own, [(RAW_EVENTS, 0, b"k", event(0))])
            await until(stored(own, {(RAW_EVENTS, 0): 1}))
            server.kill()
            await send(own, [(RAW_EVENTS, 0, b"k", event(n)) for n in range(1, 200)])

            async def unwell() -> bool:
                return not telemetry.health.ready

            await until(unwell)
            server.start()
            server.wait_ready()
            await until(stored(own, {(RAW_EVENTS, 0): 200}))
            assert telemetry.health.ready
        assert ask(own, "SELECT count(), uniqExact(offset) FROM raw_records FINAL") == [(200, 200)]
        assert said.events == ["clickhouse is away or busy; waiting", "clickhouse is back"]
    finally:
        server.stop()


async def test_a_stop_while_clickhouse_is_away_ends_within_three_seconds(settings: Settings, tmp_path: Path) -> None:
    server = ClickHouseServer(tmp_path / "clickhouse")
    server.start()
    server.wait_ready()
    try:
        own = settings.model_copy(update={"clickhouse": settings_of(server.http_port, "pulse").clickhouse})
        migrate(own)
        stop = asyncio.Event()
        task = asyncio.create_task(run_sink(own, Clock.real(), stop=stop))
        await send(own, [(RAW_EVENTS, 0, b"k", event(0))])
        await until(stored(own, {(RAW_EVENTS, 0): 1}))
        server.pause()  # connections stay open, nothing answers
        await send(own, [(RAW_EVENTS, 0, b"k", event(1))])
        await asyncio.sleep(0.5)
        asked = time.monotonic()
        stop.set()
        await asyncio.wait_for(task, 10)
        assert time.monotonic() - asked < 3
    finally:
        server.resume()
        server.stop()


async def test_memory_is_bounded_by_not_fetching_full_partitions(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connectors.clickhouse import lane, sink

    monkeypatch.setattr(sink, "BLOCK_BYTES", 60_000)
    monkeypatch.setattr(sink, "MOST_RUNS", 4)
    highest: list[int] = []
    take = lane.Lane.add

    def watched(self: lane.Lane, records: Any) -> None:
        take(self, records)
        highest.append(self.bytes)

    monkeypatch.setattr(lane.Lane, "add", watched)
    for first in range(0, 120, 5):  # a record batch each
        await send(settings, [(RAW_EVENTS, 0, b"k", event(n) + os.urandom(20_000)) for n in range(first, first + 5)])
    async with sinking(settings):
        await until(stored(settings, {(RAW_EVENTS, 0): 120}), 60)
    assert ask(settings, "SELECT count() FROM raw_records FINAL") == [(120,)]
    assert max(highest) < 700_000  # of 2.4 MB: two blocks, and the four record batches of a poll


@pytest.mark.parametrize(
    ("full", "said"),
    [
        ("parts_to_throw_insert = 1, parts_to_delay_insert = 1", "TOO_MANY_PARTS"),
        ("min_free_disk_bytes_to_perform_insert = 1000000000000000", "NOT_ENOUGH_SPACE"),
    ],
)
async def test_a_server_that_takes_no_rows_is_waited_for_and_health_says_what_to_do(
    settings: Settings, full: str, said: str
) -> None:
    def alter(sql: str) -> None:
        with connected(settings) as client:
            client.command(f"ALTER TABLE raw_records {sql}")

    async with sinking(settings) as task:
        await send(settings, [(RAW_EVENTS, 0, b"k", event(0))])
        await until(stored(settings, {(RAW_EVENTS, 0): 1}))
        await asyncio.to_thread(alter, f"MODIFY SETTING {full}")
        await send(settings, [(RAW_EVENTS, 0, b"k", event(n)) for n in range(1, 50)])

        async def told() -> bool:
            check = telemetry.health.checks()["clickhouse"]
            return not check.ok and said in check.detail and "nothing is lost" in check.detail

        await until(told)
        assert not task.done()
        names = ", ".join(part.partition(" =")[0] for part in full.split(", "))
        await asyncio.to_thread(alter, f"RESET SETTING {names}")
        await until(stored(settings, {(RAW_EVENTS, 0): 50}), 40)
        assert telemetry.health.checks()["clickhouse"].ok
    assert ask(settings, "SELECT count(), uniqExact(offset) FROM raw_records") == [(50, 50)]  # without FINAL


async def test_slow_inserts_hold_bounded_memory_and_every_row_arrives_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connectors.clickhouse import sink

    monkeypatch.setattr(sink, "HELD_BYTES", 100_000)
    monkeypatch.setattr(sink, "BLOCK_BYTES", 40_000)
    monkeypatch.setattr(sink, "MOST_RUNS", 2)
    monkeypatch.setattr(sink, "RUN_BYTES", 50_000)
    monkeypatch.setattr(sink, "RUN_ENDS_BYTES", 1)
    insert = AsyncClient.raw_insert
    held: list[float] = []

    async def slow(self: AsyncClient, *asked: Any, **named: Any) -> Any:
        await asyncio.sleep(0.5)
        held.append(telemetry.REGISTRY.get_sample_value("pulse_sink_held_bytes") or 0)
        return await insert(self, *asked, **named)

    monkeypatch.setattr(AsyncClient, "raw_insert", slow)
    for first in range(0, 60, 5):  # a record batch each for both partitions
        numbers = range(first, first + 5)
        await send(settings, [(RAW_EVENTS, p, b"k", event(n) + os.urandom(10_000)) for n in numbers for p in (0, 1)])
    async with sinking(settings):
        await until(stored(settings, {(RAW_EVENTS, 0): 60, (RAW_EVENTS, 1): 60}), 90)
        assert telemetry.health.ready
    assert ask(settings, "SELECT count(), uniqExact(offset) FROM raw_records") == [(120, 60)]
    assert 0 < max(held) < 200_000  # of 1.2 MB: HELD_BYTES, and one more record batch of 50 kB
    age = telemetry.REGISTRY.get_sample_value("pulse_sink_last_insert_age_seconds")
    assert age is not None
    assert age < 60
    fresh = telemetry.REGISTRY.get_sample_value("pulse_sink_freshness_seconds", {"table": "raw_records"})
    assert fresh is not None
