"""The sink between a real broker and a real ClickHouse: every record is a row, once."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson

from connectors import telemetry
from connectors.clickhouse.client import connected
from connectors.settings import Settings
from schemas.topics import ALERTS_BUDGET, RAW_EVENTS, RAW_GOOGLE_ADS, TOTALS
from tests.integration.clickhouse_rows import alert, ask
from tests.integration.clickhouse_sink.conftest import PARTITIONS
from tests.integration.clickhouse_sink.sinking import event, send, sinking, stored, totals_of, until

REPOSITORY = Path(__file__).resolve().parents[3]


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


async def test_ticks_alone_leave_one_growing_range(settings: Settings) -> None:
    async with sinking(settings):
        for end in (1, 2, 3):
            await send(settings, [(RAW_EVENTS, 0, None, None)])
            await until(stored(settings, {(RAW_EVENTS, 0): end}))
    assert ask(settings, "SELECT first_offset, last_offset, skipped FROM sink_blocks FINAL") == [(0, 2, 3)]


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
