"""CPU seconds per million events of the increment path on a real broker: raw -> totals, changelog, commit.

usage: python -m tests.bench.increments [--short 200000] [--long 700000] [--campaigns 1000] [--rounds 3]

The marginal cost is the difference of two lengths, so that start-up does not count. A run is void when the
published totals differ from the recount of the generator.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
from confluent_kafka import Consumer, Producer, TopicPartition

from connectors.kafka_admin import admin, ensure_topics
from connectors.lag import end_offsets, group_lag
from connectors.local.kafka_broker import KafkaBroker
from connectors.settings import Settings, load_settings
from schemas.topics import DEAD_LETTERS, RAW_EVENTS, TOTALS
from tests.bench.events import START_MS, digest, events
from tests.bench.process_cpu import tree_cpu_s

POLL_S = 0.05
LIMIT_S = 600
Stream = Callable[[int, int], Iterator[tuple[bytes, bytes]]]  # (events, campaigns) -> key, value


def good_events(count: int, campaigns: int) -> Iterator[tuple[bytes, bytes]]:
    return events(count, campaigns=campaigns)


def marginal_us(runs: Mapping[int, list[dict[str, float]]], key: str = "cpu_s") -> float:
    """Microseconds per event between two lengths, best run of each: what start-up costs is in both."""
    best = {count: min(run[key] for run in found) for count, found in runs.items()}
    short, long = sorted(best)
    return (best[long] - best[short]) / (long - short) * 1e6


@contextmanager
def broker() -> Iterator[dict[str, str]]:
    """A broker of its own; yields the environment that points at it."""
    with tempfile.TemporaryDirectory(prefix="pulse-bench-") as folder:
        kafka = KafkaBroker(Path(folder) / "kafka")
        kafka.start()
        kafka.wait_ready()
        try:
            yield {"KAFKA_BOOTSTRAP_SERVERS": kafka.address, "PULSE_DATA_DIR": folder}
        finally:
            kafka.stop()


def produce(settings: Settings, count: int, campaigns: int, stream: Stream) -> None:
    """Whole 128 KB batches, keyed, with a received time that follows the event time."""
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka.bootstrap_servers,
            "partitioner": "murmur2_random",
            "linger.ms": 50,
            "batch.size": 131_072,
            "acks": "all",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    for number, (key, value) in enumerate(stream(count, campaigns)):
        producer.produce(RAW_EVENTS, value, key, timestamp=START_MS + min(number, count) * 600_000 // count)
        if number % 10_000 == 0:
            producer.poll(0)
    producer.flush()


def expected_days(count: int, campaigns: int) -> dict[str, tuple[int, int]]:
    """campaign key -> (events, spend micros), recounted from the generator."""
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for key, value in events(count, campaigns=campaigns):
        body = json.loads(value)
        row = totals[key.decode()]
        row[0] += 1
        row[1] += body["spend_micros"]
    return {key: (row[0], row[1]) for key, row in totals.items()}


def published_days(settings: Settings) -> dict[str, tuple[int, int]]:
    """The same out of the totals topic: highest version of every campaign day."""
    ends = end_offsets(admin(settings), [TOTALS], settings.partitions)
    consumer = Consumer(
        {"bootstrap.servers": settings.kafka.bootstrap_servers, "group.id": "bench", "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(TOTALS, p, 0) for p in range(settings.partitions)])
    best: dict[str, dict[str, object]] = {}
    left = sum(ends.values())
    while left:
        for message in consumer.consume(10_000, timeout=5):
            left -= 1
            if message.key() is None or b"|counted|1d|" not in message.key() or b"|||" not in message.key():
                continue
            total = json.loads(message.value())
            known = best.get(total["total_id"])
            if known is None or total["version"] > known["version"]:
                best[total["total_id"]] = total
    consumer.close()
    days: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for total in best.values():
        row = days[str(total["campaign_key"])]
        row[0] += (
            sum(int(str(total[m])) for m in ("impressions", "clicks"))
            + int(str(total["conversions_micros"])) // 1_000_000
        )
        row[1] += int(str(total["spend_micros"]))
    return {key: (row[0], row[1]) for key, row in days.items()}


def one_run(count: int, campaigns: int, stream: Stream = good_events) -> dict[str, float]:
    """A fresh broker with `count` events; one worker from start to committed end.

    `stream` makes the records: those of `good_events`, in this order, and whatever else belongs between them.
    """
    with broker() as environment:
        settings = load_settings(environ=environment)
        ensure_topics(settings)
        produce(settings, count, campaigns, stream)
        client = admin(settings)
        started = time.monotonic()
        log_path = Path(environment["PULSE_DATA_DIR"]) / "worker.log"
        log_file = log_path.open("wb")
        worker = subprocess.Popen(
            [sys.executable, "-m", "agents.cli.main", "worker"],
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=log_file,
        )
        try:
            while any(group_lag(client, settings.worker.group, [RAW_EVENTS], settings.partitions).values()):
                if worker.poll() is not None or time.monotonic() - started > LIMIT_S:
                    raise SystemExit(log_path.read_text()[-3000:])
                time.sleep(POLL_S)
            wall_s = time.monotonic() - started
            cpu_s = tree_cpu_s(worker.pid)
            rss_mb = psutil.Process(worker.pid).memory_info().rss / 1e6
        finally:
            worker.terminate()
            worker.wait(20)
        if published_days(settings) != expected_days(count, campaigns):
            raise SystemExit("void: the totals differ from the recount")
        letters = sum(end_offsets(client, [DEAD_LETTERS], settings.partitions).values())
        return {"events": count, "letters": letters, "cpu_s": cpu_s, "wall_s": wall_s, "rss_mb": rss_mb}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", type=int, default=200_000)
    parser.add_argument("--long", type=int, default=700_000)
    parser.add_argument("--campaigns", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    data = digest(events(10_000, campaigns=arguments.campaigns))
    runs: dict[int, list[dict[str, float]]] = defaultdict(list)
    for number in range(arguments.rounds):
        for count in (arguments.short, arguments.long):
            runs[count].append(one_run(count, arguments.campaigns))
            sys.stderr.write(f"round {number + 1}: {runs[count][-1]}\n")
    sys.stdout.write(
        json.dumps(
            {
                "data": data,
                "cpu_us_per_event": round(marginal_us(runs), 2),
                "runs": [r for f in runs.values() for r in f],
            }
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
