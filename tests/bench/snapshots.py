"""CPU per platform row that has changed, and per row that has not: raw Google Ads records to totals, on a real broker.

usage: python -m tests.bench.snapshots [--campaigns 500] [--short 2] [--long 22] [--rounds 2] [--quick] [--json]

A report is read again and again: hours of a day of many campaigns, each record exactly what the API returned. In some
runs every figure has grown since the last reading, in others none has. One worker from start to committed end; marginal
cost by the difference of two numbers of readings. A run is void when the totals are not those of the last reading.

changed, unchanged: rows into totals, read by a judge whose only rules are those of the budget.
changed_judged: under the built-in rules, where all 24 hours of every campaign are judged again after every reading.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from connectors.kafka_admin import admin
from connectors.lag import end_offsets
from connectors.settings import Settings
from schemas.topics import TOTALS
from tests.bench.increments import broker
from tests.bench.process_cpu import tree_cpu_s
from tests.bench.programs import prepare, until_counted, worker
from tests.bench.result import Result
from tests.google_rows import GoogleRows
from tests.system import Message

ASKED = {"changed_us_per_row": 15.0, "unchanged_us_per_row": 7.0}
KINDS = ("changed", "unchanged", "changed_judged")
BUDGET_RULE = """
[[rule]]
id = "budget_exceeded"
kind = "budget"
severity = "high"
share_percent = 100
"""
DATE, HOURS = "2026-11-20", 24
FIRST_MS, BETWEEN_MS = 1_795_219_200_000, 60_000  # the day is over; a reading a minute
HOUR_SPEND = 1_000_000
FIRST_HOUR_MS = 1_795_129_200_000  # midnight of that date in Berlin


def readings(rows: int, campaigns: int, *, changed: bool) -> Iterator[Message]:
    """Whole readings of all hours of all campaigns, until there are `rows` rows."""
    google = GoogleRows()
    sent = reading = 0
    while sent < rows:
        at_ms = FIRST_MS + reading * BETWEEN_MS
        for number in range(campaigns):
            for hour in range(HOURS):
                if sent < rows:
                    spend = HOUR_SPEND + (reading if changed else 0)
                    google.hour(str(number), DATE, hour, at_ms=at_ms, spend_micros=spend)
                    sent += 1
        google.complete("campaign_hour", DATE, DATE, at_ms=at_ms)
        yield from google.take()
        reading += 1


def expected(rows: int, campaigns: int, *, changed: bool) -> dict[str, int]:
    """Campaign and hour -> spend of the last reading that had it."""
    spends: dict[str, int] = {}
    for sent in range(rows):
        reading, place = divmod(sent, campaigns * HOURS)
        spends[f"{place // HOURS}|{place % HOURS}"] = HOUR_SPEND + (reading if changed else 0)
    return spends


def published(settings: Settings) -> dict[str, int]:
    """The same out of the totals topic: the highest version of every hour."""
    best: dict[str, tuple[int, str, int]] = {}
    for value in totals(settings):
        total = json.loads(value)
        if total.get("window") == "1h" and total["version"] >= best.get(total["total_id"], (-1, "", 0))[0]:
            hour = (total["start_ms"] - FIRST_HOUR_MS) // 3_600_000
            best[total["total_id"]] = (total["version"], f"{total['campaign_id']}|{hour}", total["spend_micros"])
    return {place: spend for _, place, spend in best.values()}


def totals(settings: Settings) -> Iterator[bytes]:
    client = admin(settings)
    ends = end_offsets(client, [TOTALS], settings.partitions)
    consumer = Consumer({"bootstrap.servers": settings.kafka.bootstrap_servers, "group.id": "bench"})
    consumer.assign([TopicPartition(TOTALS, partition, 0) for _, partition in ends])
    left = sum(ends.values())
    while left:
        for message in consumer.consume(10_000, timeout=5):
            left -= 1
            yield message.value() or b"{}"
    consumer.close()


def produce(settings: Settings, messages: Iterator[Message]) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap_servers, "linger.ms": 50, "batch.size": 131_072})
    for number, one in enumerate(messages):
        producer.produce(one.topic, one.value, one.key, one.partition, timestamp=one.timestamp)
        if number % 5_000 == 0:
            producer.flush()
    producer.flush()


def one_run(rows: int, campaigns: int, kind: str) -> dict[str, Any]:
    changed = kind != "unchanged"
    with broker() as environment:
        rules = Path(environment["PULSE_DATA_DIR"]) / "rules.toml"
        rules.write_text(BUDGET_RULE)
        more = {} if kind == "changed_judged" else {"PULSE_WORKER__RULES_FILE": str(rules)}
        settings = prepare(environment)
        produce(settings, readings(rows, campaigns, changed=changed))
        with worker(environment, **more) as counting:
            until_counted(settings, counting)
            cpu_s = tree_cpu_s(counting.pid)
        if published(settings) != expected(rows, campaigns, changed=changed):
            raise SystemExit("void: the totals are not those of the last reading")
        return {"rows": rows, "kind": kind, "cpu_s": round(cpu_s, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=500)
    parser.add_argument("--short", type=int, default=2, help="readings")
    parser.add_argument("--long", type=int, default=22, help="readings")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="fewer readings, one round")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    numbers = (2, 8) if arguments.quick else (arguments.short, arguments.long)
    lengths = [number * arguments.campaigns * HOURS for number in numbers]
    runs = []
    for _ in range(1 if arguments.quick else arguments.rounds):
        for rows in lengths:
            for kind in KINDS:
                runs.append(one_run(rows, arguments.campaigns, kind))
                sys.stderr.write(f"{runs[-1]}\n")
    values: dict[str, float | None] = {}
    for kind in KINDS:
        least, most = (min(r["cpu_s"] for r in runs if r["kind"] == kind and r["rows"] == n) for n in lengths)
        values[f"{kind}_us_per_row"] = round((most - least) * 1e6 / (lengths[1] - lengths[0]), 2)
    Result("snapshots", values, ASKED, runs, quick=arguments.quick).write(as_json=arguments.json)


if __name__ == "__main__":
    main()
