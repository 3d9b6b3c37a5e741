"""What the sink costs and how fast it drains a backlog: real broker, real engine, one sink process.

usage: python -m tests.bench.sink [--raw 500000] [--totals 250000] [--campaigns 1000] [--rounds 1] [--out FILE]

Every round starts a broker and an engine and one `pulse sink`, fills the topics while it sleeps, and measures it until
everything is stored: its start does not count. A run is void when a table does not hold exactly what was produced.
Written as JSON: CPU of the sink and of the engine in µs per record, records per second, highest resident memory of the
sink in MB.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from connectors.clickhouse.client import connected, rows
from connectors.clickhouse.migrations import migrate
from connectors.kafka_admin import ensure_topics
from connectors.local.clickhouse_server import ClickHouseServer
from connectors.local.kafka_broker import KafkaBroker
from connectors.settings import Settings, load_settings
from schemas.topics import RAW_EVENTS, TOTALS
from tests.bench.events import START_MS, campaign, events
from tests.bench.process_cpu import tree_cpu_s

POLL_S = 0.1
LIMIT_S = 300
WINDOWS = (("1m", 60_000), ("5m", 300_000), ("1h", 3_600_000), ("1d", 86_400_000))
ENDS = "SELECT topic, max(last_offset) + 1 AS next, partition FROM sink_blocks GROUP BY topic, partition"


@contextmanager
def parts() -> Iterator[tuple[Settings, dict[str, str], ClickHouseServer]]:
    """Broker and migrated engine of their own; the settings and environment that point at them."""
    with tempfile.TemporaryDirectory(prefix="pulse-bench-") as folder:
        kafka, engine = KafkaBroker(Path(folder) / "kafka"), ClickHouseServer(Path(folder) / "clickhouse")
        try:
            kafka.start()
            engine.start()
            kafka.wait_ready()
            engine.wait_ready()
            environment = {
                "KAFKA_BOOTSTRAP_SERVERS": kafka.address,
                "PULSE_CLICKHOUSE__PORT": str(engine.http_port),
                "PULSE_DATA_DIR": folder,
            }
            settings = load_settings(environ=environment)
            ensure_topics(settings)
            migrate(settings)
            yield settings, environment, engine
        finally:
            engine.stop()
            kafka.stop()


def producer(settings: Settings) -> Producer:
    return Producer(
        {
            "bootstrap.servers": settings.kafka.bootstrap_servers,
            "partitioner": "murmur2_random",
            "linger.ms": 50,
            "batch.size": 131_072,
            "acks": "all",
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
        }
    )


def totals(count: int, campaigns: int) -> Iterator[tuple[bytes, bytes]]:
    """Totals as a worker flushes them: the open windows of the campaigns that changed, again and again.

    A minute apart, so that none supersedes another in a block and every one is a row.
    """
    for number in range(count):
        turn, place = divmod(number, 4 * campaigns)
        name = campaign(place // 4)
        window, width_ms = WINDOWS[place % 4]
        start_ms = (START_MS + turn * 60_000) // width_ms * width_ms
        key = f"meta:acc1:{name}"
        value = (
            f'{{"schema_version":1,"total_id":"{key}|||counted|{window}|{start_ms // 1000}","campaign_key":"{key}",'
            f'"platform":"meta","account_id":"acc1","campaign_id":"{name}","level":"campaign","ad_group_id":"",'
            f'"ad_id":"","basis":"counted","window":"{window}","start_ms":{start_ms},"end_ms":{start_ms + width_ms},'
            f'"zone":"UTC","currency":"EUR","impressions":{number},"clicks":{number // 9},"link_clicks":0,'
            f'"spend_micros":{number * 1000},"conversions_micros":{number},"revenue_micros":0,"video_views":0,"sent":0,'
            f'"delivered":0,"opened":0,"clicked":0,"bounced":0,"complained":0,"unsubscribed":0,"failed":0,'
            f'"as_of_ms":{START_MS + turn * 60_000},"revision":{turn},"is_final":false,"settled":false,'
            f'"version":{(number + 1) << 2},"source_topic":"raw.events.v1","source_partition":0,'
            f'"source_offset":{number},"campaign_name":"","campaign_status":"","daily_budget_micros":null,'
            f'"budget_id":null,"budget_shared":false}}'
        )
        yield key.encode(), value.encode()


def fill(settings: Settings, topic: str, pairs: Iterator[tuple[bytes, bytes]]) -> None:
    sending = producer(settings)
    for number, (key, value) in enumerate(pairs):
        sending.produce(topic, value, key, timestamp=START_MS + number // 10)
        if number % 10_000 == 0:
            sending.poll(0)
    sending.flush()


@contextmanager
def sink_process(environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One `pulse sink`; what it says goes to sink.log."""
    with (folder / "sink.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "agents.cli.main", "sink"],
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def stored(settings: Settings) -> dict[str, int]:
    """topic -> offsets stored, of all partitions together."""
    found: dict[str, int] = {}
    with connected(settings) as client:
        for row in rows(client, ENDS):
            found[row["topic"]] = found.get(row["topic"], 0) + int(row["next"])
    return found


def peak_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1000
    raise ProcessLookupError(pid)


def await_stored(settings: Settings, process: subprocess.Popen[bytes], folder: Path, wanted: dict[str, int]) -> float:
    """Seconds until every topic of `wanted` is stored as far as that."""
    began = time.monotonic()
    while True:
        if process.poll() is not None or time.monotonic() - began > LIMIT_S:
            raise SystemExit((folder / "sink.log").read_text()[-3000:])
        now = stored(settings)
        if all(now.get(topic, 0) >= count for topic, count in wanted.items()):
            return time.monotonic() - began
        time.sleep(POLL_S)


def one_run(raw: int, history: int, campaigns: int) -> dict[str, Any]:
    """The sink is ready, then sleeps (SIGSTOP) while the topics fill, and wakes to the whole backlog."""
    with parts() as (settings, environment, engine):
        folder = Path(environment["PULSE_DATA_DIR"])
        with sink_process(environment, folder) as process:
            fill(settings, RAW_EVENTS, events(1))
            await_stored(settings, process, folder, {RAW_EVENTS: 1})
            process.send_signal(signal.SIGSTOP)
            fill(settings, RAW_EVENTS, events(raw, campaigns=campaigns))
            fill(settings, TOTALS, totals(history, campaigns))
            cpu_before, engine_before = tree_cpu_s(process.pid), tree_cpu_s(engine.pid or 0)
            idle_mb = peak_mb(process.pid)
            process.send_signal(signal.SIGCONT)
            wall_s = await_stored(settings, process, folder, {RAW_EVENTS: raw + 1, TOTALS: history})
            records = raw + history
            result = {
                "raw": raw,
                "totals": history,
                "records_per_s": round(records / wall_s),
                "sink_us_per_record": round((tree_cpu_s(process.pid) - cpu_before) / records * 1e6, 2),
                "engine_us_per_record": round((tree_cpu_s(engine.pid or 0) - engine_before) / records * 1e6, 2),
                "idle_rss_mb": round(idle_mb),
                "peak_rss_mb": round(peak_mb(process.pid)),
            }
        check(settings, raw + 1, history)
        return result


def check(settings: Settings, raw: int, history: int) -> None:
    with connected(settings) as client:
        found = rows(
            client,
            "SELECT (SELECT count() FROM raw_records FINAL) AS raw, "
            "(SELECT count() FROM totals_history FINAL) AS history, (SELECT sum(rows) FROM sink_blocks FINAL) AS told",
        )[0]
    if (found["raw"], found["history"], found["told"]) != (raw, history, raw + history):
        raise SystemExit(f"void: {found}, produced {raw} and {history}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--raw", type=int, default=500_000)
    parser.add_argument("--totals", type=int, default=250_000)
    parser.add_argument("--campaigns", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    runs = []
    for _ in range(arguments.rounds):
        for raw, history in ((arguments.raw, 0), (0, arguments.totals), (arguments.raw, arguments.totals)):
            if raw + history:
                runs.append(one_run(raw, history, arguments.campaigns))
                sys.stderr.write(f"{runs[-1]}\n")
    text = json.dumps({"campaigns": arguments.campaigns, "runs": runs}, indent=1) + "\n"
    sys.stdout.write(text)
    if arguments.out:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
