"""The sink between a real broker and a real ClickHouse, with both going away."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient

from connectors import telemetry
from connectors.clickhouse import writer
from connectors.clickhouse.client import connected
from connectors.clickhouse.migrations import migrate
from connectors.clickhouse.positions import stored_positions
from connectors.clickhouse.sink import run_sink
from connectors.clock import Clock
from connectors.kafka_admin import admin, ensure_topics
from connectors.kafka_producer import start_producer
from connectors.local.clickhouse_server import ClickHouseServer
from connectors.local.kafka_broker import KafkaBroker
from connectors.settings import Settings
from pipeline.errors import Misconfigured
from pipeline.superseded import MINUTE_MS
from schemas.topics import ALERTS_BUDGET, DEAD_LETTERS, RAW_EVENTS, RAW_GOOGLE_ADS, TOTALS
from tests.integration.clickhouse_rows import NOON_MS, alert, ask, settings_of, total

REPOSITORY = Path(__file__).resolve().parents[2]
PARTITIONS = 2
Make = Callable[[str], Settings]


@pytest.fixture(scope="module")
def broker(kafka_parts: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A broker of our own: the sink reads whole topics, and the session's may hold other tests' records."""
    engine = KafkaBroker(tmp_path_factory.mktemp("kafka"))
    engine.start()
    try:
        engine.wait_ready()
        yield engine
    finally:
        engine.stop()


@pytest.fixture
def settings(broker: KafkaBroker, clickhouse_http: int, unique_name: Callable[[str], str]) -> Iterator[Settings]:
    """Empty topics and a fresh database."""
    made = settings_of(
        clickhouse_http,
        unique_name("sink"),
        kafka={"bootstrap_servers": broker.address},
        partitions=PARTITIONS,
        sink={"flush_s": 0.1},
    )
    telemetry.health.clear()
    _delete_topics(made)
    ensure_topics(made)
    migrate(made)
    yield made
    with connected(made, database=False) as client:
        client.command(f"DROP DATABASE `{made.clickhouse.database}`")


def _delete_topics(settings: Settings, *names: str) -> None:
    client = admin(settings)
    present = set(client.list_topics(timeout=10).topics)
    wanted = {name for name in (names or present) if not name.startswith("__")}
    for answer in client.delete_topics(sorted(wanted & present)).values() if wanted & present else ():
        answer.result()
    until = time.monotonic() + 10
    while wanted & set(client.list_topics(timeout=10).topics):
        assert time.monotonic() < until, "topics are still there"
        time.sleep(0.05)


@asynccontextmanager
async def sinking(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    task = asyncio.create_task(run_sink(settings, Clock.real(), stop=stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait_for(task, 5)


async def send(settings: Settings, records: list[tuple[str, int, bytes | None, bytes | None]]) -> None:
    """(topic, partition, key, value), all acknowledged."""
    producer = await start_producer(settings)
    try:
        # Batches by hand: `send` refuses a tick, which has neither key nor value.
        batches: dict[tuple[str, int], Any] = {}
        sent = []
        for topic, partition, key, value in records:
            place = (topic, partition)
            batch = batches.get(place)
            if batch is None or batch.append(key=key, value=value, timestamp=NOON_MS) is None:
                if batch is not None:
                    sent.append(await producer.send_batch(batch, topic, partition=partition))
                batches[place] = producer.create_batch()
                batches[place].append(key=key, value=value, timestamp=NOON_MS)
        for (topic, partition), batch in batches.items():
            sent.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def until(ready: Callable[[], Awaitable[bool]], limit_s: float = 20) -> None:
    end = time.monotonic() + limit_s
    while not await ready():
        assert time.monotonic() < end, "did not come in time"
        await asyncio.sleep(0.05)


def stored(settings: Settings, ends: dict[tuple[str, int], int]) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        positions = await asyncio.to_thread(stored_positions, settings)
        return all(positions.get(place, 0) >= end for place, end in ends.items())

    return ready


def event(number: int) -> bytes:
    return orjson.dumps({"event_id": f"e{number}", "campaign_id": "7", "at": NOON_MS, "type": "click"})


def totals_of(
    count: int, campaigns: int, step_ms: int = MINUTE_MS
) -> list[tuple[str, int, bytes | None, bytes | None]]:
    """`count` totals over `campaigns` campaigns; clicks and version grow with each, known `step_ms` after another."""
    messages = [
        total(
            campaign_id=str(n % campaigns),
            clicks=n,
            version=4 * (n + 1),
            source_offset=n,
            as_of_ms=NOON_MS + n * step_ms,
        )
        for n in range(count)
    ]
    return [(TOTALS, 0, b"k", orjson.dumps(message)) for message in messages]


async def test_every_topic_reaches_its_tables_with_its_place_and_ticks_are_only_counted(settings: Settings) -> None:
    blob = b"\xff\x00 not json"
    await send(
        settings,
        [
            *((RAW_EVENTS, 1, b"k", event(n)) for n in range(3)),
            (RAW_EVENTS, 1, None, None),
            (RAW_EVENTS, 0, b"k", blob),
            (RAW_GOOGLE_ADS, 0, None, b'{"kind":"report_complete"}'),
            *totals_of(5, campaigns=2),
            (TOTALS, 0, None, b'{"checkpoint":"tick"}'),
            (ALERTS_BUDGET, 1, b"k", orjson.dumps(alert())),
            (ALERTS_BUDGET, 1, b"k", orjson.dumps(alert(event_id="e2", version=2, transition="resolved"))),
        ],
    )
    async with sinking(settings):
        ends = {(RAW_EVENTS, 1): 4, (RAW_EVENTS, 0): 1, (RAW_GOOGLE_ADS, 0): 1, (TOTALS, 0): 6, (ALERTS_BUDGET, 1): 2}
        await until(stored(settings, ends))
        assert telemetry.health.ready
    raw = "SELECT topic, partition, offset, kind FROM raw_records FINAL ORDER BY ALL"
    assert ask(settings, raw) == [
        (RAW_EVENTS, 0, 0, ""),
        *((RAW_EVENTS, 1, n, "") for n in range(3)),
        (RAW_GOOGLE_ADS, 0, 0, "report_complete"),
    ]
    assert ask(settings, "SELECT hex(value) FROM raw_records WHERE topic = 'raw.events.v1' AND partition = 0") == [
        (blob.hex().upper(),)
    ]
    newest = "SELECT campaign_id, clicks, totals_partition, totals_offset FROM totals FINAL ORDER BY campaign_id"
    assert ask(settings, newest) == [("0", 4, 0, 4), ("1", 3, 0, 3)]
    assert ask(settings, "SELECT count() FROM totals_history FINAL") == [(5,)]
    assert ask(settings, "SELECT transition, version FROM alerts FINAL") == [("resolved", 2)]
    assert ask(settings, "SELECT count() FROM alert_history FINAL") == [(2,)]
    ledger = "SELECT sum(rows), sum(skipped), sum(refused) FROM sink_blocks FINAL"
    assert ask(settings, ledger) == [(4 + 1 + 5 + 2, 2, 0)]


async def test_a_second_start_goes_on_behind_the_last_stored_block(settings: Settings) -> None:
    await send(settings, [(RAW_EVENTS, 0, b"k", event(n)) for n in range(10)])
    async with sinking(settings):
        await until(stored(settings, {(RAW_EVENTS, 0): 10}))
    await send(settings, [(RAW_EVENTS, 0, b"k", event(n)) for n in range(10, 15)])
    async with sinking(settings):
        await until(stored(settings, {(RAW_EVENTS, 0): 15}))
    assert ask(settings, "SELECT count(), uniqExact(offset) FROM raw_records") == [(15, 15)]  # without FINAL
    ranges = ask(settings, "SELECT first_offset, last_offset FROM sink_blocks ORDER BY first_offset")
    assert ranges[0][0] == 0
    assert ranges[-1] == (10, 14)


async def test_rows_without_their_range_are_written_again_and_count_once(settings: Settings) -> None:
    """What a kill between the insert and the range leaves behind."""
    await send(settings, totals_of(20, campaigns=4))
    async with sinking(settings):
        await until(stored(settings, {(TOTALS, 0): 20}))
    before = ask(settings, "SELECT * EXCEPT ingested_at FROM totals FINAL ORDER BY total_id")
    with connected(settings) as client:
        client.command("TRUNCATE TABLE sink_blocks")
    async with sinking(settings):
        await until(stored(settings, {(TOTALS, 0): 20}))
    assert ask(settings, "SELECT * EXCEPT ingested_at FROM totals FINAL ORDER BY total_id") == before
    assert ask(settings, "SELECT count() FROM totals_history FINAL") == [(20,)]


async def test_totals_that_a_later_one_of_their_block_supersedes_are_counted_and_not_stored(settings: Settings) -> None:
    await send(settings, totals_of(400, campaigns=4, step_ms=1))
    async with sinking(settings):
        await until(stored(settings, {(TOTALS, 0): 400}))
    assert sorted(ask(settings, "SELECT campaign_id, clicks FROM totals FINAL")) == [
        (str(n), 396 + n) for n in range(4)
    ]
    ((kept, superseded),) = ask(settings, "SELECT sum(rows), sum(skipped) FROM sink_blocks FINAL")
    assert kept + superseded == 400
    assert superseded > 0
    assert ask(settings, "SELECT count() FROM totals_history FINAL") == [(kept,)]


async def test_a_record_that_cannot_be_a_row_becomes_a_dead_letter_and_the_rest_goes_on(settings: Settings) -> None:
    bad = orjson.dumps(total(campaign_id="bad") | {"clicks": "many"})
    await send(settings, [*totals_of(1, 1), (TOTALS, 0, b"k", bad), *totals_of(3, 3)[2:]])
    async with sinking(settings):
        await until(stored(settings, {(TOTALS, 0): 3, (DEAD_LETTERS, 0): 1}))
    letter = "SELECT code, field, stage, topic, partition, offset, value FROM dead_letters FINAL"
    assert ask(settings, letter) == [("bad_type", "clicks", "sink", TOTALS, 0, 1, bad.decode())]
    assert ask(settings, "SELECT count() FROM totals FINAL") == [(2,)]


async def test_ticks_alone_leave_one_growing_range(settings: Settings) -> None:
    async with sinking(settings):
        for end in (1, 2, 3):
            await send(settings, [(RAW_EVENTS, 0, None, None)])
            await until(stored(settings, {(RAW_EVENTS, 0): end}))
    assert ask(settings, "SELECT first_offset, last_offset, skipped FROM sink_blocks FINAL") == [(0, 2, 3)]


async def test_a_topic_made_again_is_refused(settings: Settings) -> None:
    await send(settings, [(RAW_EVENTS, 0, b"k", event(1))])
    async with sinking(settings):
        await until(stored(settings, {(RAW_EVENTS, 0): 1}))
    await asyncio.to_thread(_delete_topics, settings, RAW_EVENTS)
    await asyncio.to_thread(ensure_topics, settings)
    with pytest.raises(Misconfigured, match="made again") as refused:
        await run_sink(settings, Clock.real(), stop=asyncio.Event())
    assert refused.value.code == "topic_recreated"


async def test_outstanding_migrations_are_refused_with_what_to_do(settings: Settings) -> None:
    with connected(settings) as client:
        client.command("TRUNCATE TABLE migrations")
    with pytest.raises(Misconfigured, match="run `pulse migrate`"):
        await run_sink(settings, Clock.real(), stop=asyncio.Event())


async def test_records_gone_before_they_were_stored_are_told(settings: Settings) -> None:
    from confluent_kafka import TopicPartition

    await send(settings, [(RAW_EVENTS, 0, b"k", event(n)) for n in range(5)])
    client = admin(settings)  # its answers come only while it lives
    for answer in client.delete_records([TopicPartition(RAW_EVENTS, 0, 3)]).values():
        answer.result(10)
    before = _missed()
    async with sinking(settings):
        await until(stored(settings, {(RAW_EVENTS, 0): 5}))
    assert _missed() - before == 3
    assert ask(settings, "SELECT min(first_offset) FROM sink_blocks") == [(3,)]


def _missed() -> float:
    return telemetry.REGISTRY.get_sample_value("pulse_sink_gap_records_total", {"topic": RAW_EVENTS}) or 0


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
    assert 0 < max(held) < 400_000  # of 1.2 MB: HELD_BYTES, and record batches of 50 kB
    age = telemetry.REGISTRY.get_sample_value("pulse_sink_last_insert_age_seconds")
    assert age is not None
    assert age < 60
    fresh = telemetry.REGISTRY.get_sample_value("pulse_sink_freshness_seconds", {"table": "raw_records"})
    assert fresh is not None


async def test_kill_9_at_any_moment_loses_and_doubles_nothing(settings: Settings) -> None:
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "PULSE_CLICKHOUSE__PORT": str(settings.clickhouse.port),
        "PULSE_CLICKHOUSE__DATABASE": settings.clickhouse.database,
        "PULSE_PARTITIONS": str(PARTITIONS),
        "PULSE_SINK__FLUSH_S": "0.05",
        "PULSE_SINK__BLOCK_ROWS": "300",
    }

    def start() -> subprocess.Popen[bytes]:
        program = [sys.executable, "-m", "agents.cli.main", "sink"]
        return subprocess.Popen(program, env=environment, cwd=REPOSITORY, stderr=subprocess.DEVNULL)

    count = 3_000
    await send(settings, [*((RAW_EVENTS, 0, b"k", event(n)) for n in range(count)), *totals_of(count, campaigns=50)])
    process = start()
    try:
        for share in (0.1, 0.4, 0.7):
            await until(stored(settings, {(RAW_EVENTS, 0): int(share * count)}), 40)
            process.kill()
            process.wait()
            process = start()
        await send(settings, [(RAW_EVENTS, 0, b"k", event(count))])  # what only the last of them can store
        await until(stored(settings, {(RAW_EVENTS, 0): count + 1, (TOTALS, 0): count}), 40)
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
    assert ask(settings, "SELECT count(), uniqExact(offset) FROM raw_records FINAL") == [(count + 1, count + 1)]
    assert ask(settings, "SELECT count() FROM totals_history FINAL") == [(count,)]
    newest = [(str(n % 50), n) for n in range(count - 50, count)]
    assert sorted(ask(settings, "SELECT campaign_id, clicks FROM totals FINAL")) == sorted(newest)
    gaps = """
    SELECT count() FROM
    (
        SELECT first_offset, lagInFrame(toInt64(last_offset), 1, toInt64(first_offset) - 1) OVER
            (PARTITION BY topic, partition ORDER BY first_offset
                ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS before
        FROM sink_blocks FINAL
    ) WHERE first_offset != before + 1
    """
    assert ask(settings, gaps) == [(0,)]
