"""One run of our whole program: a broker of its own, since our topics have fixed names; the same records."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from connectors.kafka_admin import admin, ensure_topics
from connectors.lag import end_offsets, group_lag
from connectors.settings import Settings, load_settings
from schemas.topics import RAW_EVENTS, TOTALS
from tests.bench.cluster import Cluster, wait_for_groups, wait_for_leaders
from tests.bench.dataset import Dataset, Row, Totals
from tests.bench.figures import Sample
from tests.bench.increments import broker
from tests.bench.peer_run import LIMIT_S, Run, difference, end, last_words
from tests.bench.process_cpu import ended, usage

POLL_S = 0.1
DAY_MS = 86_400_000
MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Ours:
    """A way to run our program. `in_c` False: as where no compiler was there at the installation."""

    name: str
    title: str
    workers: int = 1
    in_c: bool = True

    @property
    def note(self) -> str:
        flush_s = load_settings(environ={}).worker.flush_s
        return f"the whole job: ids once, 4 windows, ads, zones, judging, restart-safe; flush every {flush_s:g} s"


OURS = (
    Ours("ours", "Campaign Pulse, one worker"),
    Ours("ours_2", "Campaign Pulse, two workers", workers=2),
    Ours("ours_python", "Campaign Pulse, without its part in C", in_c=False),
)
PULSE = ("-m", "agents.cli.main")
WITHOUT_C = (
    "-c",
    "import runpy, sys; sys.modules['pipeline.native'] = None; "
    "runpy.run_module('agents.cli.main', run_name='__main__')",
)


def run_ours(ours: Ours, data: Dataset, cluster: Cluster) -> Run:
    """CPU of all workers from their start to the committed end of the input; then the published totals are judged."""
    with broker() as environment:
        settings = load_settings(environ=environment)
        ensure_topics(settings)
        wait_for_leaders(admin(settings), [RAW_EVENTS], settings.partitions)
        wait_for_groups(settings.kafka.bootstrap_servers, RAW_EVENTS)
        copied = copy(data, cluster, settings)
        logs = [Path(environment["PULSE_DATA_DIR"]) / f"worker-{number}.log" for number in range(ours.workers)]
        started = time.monotonic()
        workers = [_start(log, environment, PULSE if ours.in_c else WITHOUT_C) for log in logs]
        try:
            cpu_s, rss_mb, samples, stopped = _follow([worker.pid for worker in workers], copied, settings, started)
            wall_s = time.monotonic() - started
        finally:
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            for worker in workers:
                end(worker)
        void = stopped or judged(settings, data)
        if stopped:
            void += f"; its last words: {last_words(logs[0])}"
        return Run(ours.name, data.events, cpu_s, wall_s, rss_mb, void, samples)


def copy(data: Dataset, cluster: Cluster, settings: Settings) -> int:
    """The records of the shared topic into ours: bytes, partition and time as they are. How many there were."""
    reader = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "copy", "enable.auto.commit": False})
    reader.assign([TopicPartition(data.topic, number, 0) for number in range(cluster.partitions)])
    writer = Producer(
        {
            "bootstrap.servers": settings.kafka.bootstrap_servers,
            "log.connection.close": False,
            "linger.ms": 50,
            "batch.size": 131_072,
            "acks": "all",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    copied = 0
    while copied < data.events:
        for message in reader.consume(10_000, timeout=5):
            writer.produce(
                RAW_EVENTS, message.value(), message.key(), message.partition() or 0, timestamp=message.timestamp()[1]
            )
            copied += 1
        writer.poll(0)
    reader.close()
    if writer.flush(120):
        raise SystemExit("the broker did not take the data")
    return copied


def _start(log: Path, environment: dict[str, str], pulse: tuple[str, str]) -> "subprocess.Popen[bytes]":
    with log.open("wb") as sink:
        return subprocess.Popen(
            [sys.executable, *pulse, "worker"],
            env={**os.environ, **environment, "PULSE_WORKER__INSTANCE": log.stem},
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )


def _follow(pids: list[int], events: int, settings: Settings, started: float) -> tuple[float, float, list[Sample], str]:
    """CPU seconds, the most memory, samples, and why it stopped too early (empty when it did not)."""
    client, samples, most = admin(settings), list[Sample](), 0.0
    while True:
        behind = sum(group_lag(client, settings.worker.group, [RAW_EVENTS], settings.partitions).values())
        used = usage(pids)
        if not samples or events - behind != samples[-1][0]:
            samples.append((events - behind, round(used.cpu_s, 3)))
        most = max(most, used.rss_mb)
        if not behind:
            return used.cpu_s, most, samples, ""
        if any(ended(pid) for pid in pids):
            return used.cpu_s, most, samples, "a worker ended before everything was counted"
        if time.monotonic() - started > LIMIT_S:
            return used.cpu_s, most, samples, f"{behind:,} of {events:,} events are not counted after {LIMIT_S:.0f} s"
        time.sleep(POLL_S)


def judged(settings: Settings, data: Dataset) -> str:
    """What differs from the recount in minutes, or in days; empty when nothing does."""
    minutes, days = published(settings)
    return difference(minutes, data.expected) or difference(days, by_day(data.expected))


def by_day(minutes: Totals) -> Totals:
    """Sums of the UTC days, which is the zone of the events."""
    rows: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for (campaign, start_ms), row in minutes.items():
        for index, measure in enumerate(row):
            rows[campaign, start_ms - start_ms % DAY_MS][index] += measure
    return {place: (row[0], row[1], row[2], row[3]) for place, row in rows.items()}


def published(settings: Settings) -> tuple[Totals, Totals]:
    """Minutes and days of campaigns in the totals topic: the highest version of each."""
    left = {number for (_, number), end in end_offsets(admin(settings), [TOTALS], settings.partitions).items() if end}
    ends = end_offsets(admin(settings), [TOTALS], settings.partitions)
    reader = Consumer(
        {"bootstrap.servers": settings.kafka.bootstrap_servers, "group.id": "judge", "enable.auto.commit": False}
    )
    reader.assign([TopicPartition(TOTALS, number, 0) for number in left])
    best: dict[str, tuple[int, str, str, int, Row]] = {}
    while left:
        for message in reader.consume(10_000, timeout=5):
            if (message.offset() or 0) + 1 >= ends[TOTALS, message.partition() or 0]:
                left.discard(message.partition() or 0)
            if message.key() is None:
                continue
            total = json.loads(message.value() or b"")
            if total["level"] != "campaign" or total["basis"] != "counted" or total["window"] not in {"1m", "1d"}:
                continue
            known = best.get(total["total_id"])
            if known is None or total["version"] > known[0]:
                row = (
                    total["impressions"],
                    total["clicks"],
                    total["conversions_micros"] // MICROS,
                    total["spend_micros"],
                )
                best[total["total_id"]] = (
                    total["version"],
                    total["window"],
                    total["campaign_key"],
                    total["start_ms"],
                    row,
                )
    reader.close()
    found: dict[str, Totals] = {"1m": {}, "1d": {}}
    for _, window, campaign, start_ms, row in best.values():
        found[window][campaign, start_ms] = row
    return found["1m"], found["1d"]
