"""How soon a worker counts again after its start, with a million live rows and five million remembered ids.

usage: python -m tests.bench.restore [--rows 1000000] [--ids 5000000] [--rounds 3] [--quick] [--json]

A worker counts events of rows/4 campaigns (four windows each) and is ended; then it is started again over the same
topics, several times. Measured from the start of the process to the first new event in a published total, in the
first and in the last partition; and the restore part alone, as the worker's own log gives it. Then as many events as
there are ids to remember are counted, and the same is measured again. Both include what the judge keeps.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from connectors.kafka import partition_of
from connectors.kafka_admin import admin
from connectors.lag import end_offsets
from connectors.settings import Settings
from schemas.topics import RAW_EVENTS, STATE_BUDGETS, STATE_COUNTED, STATE_JUDGE, STATE_REPORTED, TOTALS
from tests.bench.events import START_MS
from tests.bench.increments import broker
from tests.bench.process_cpu import tree_cpu_s
from tests.bench.programs import prepare, until_counted, worker
from tests.bench.result import Result

WINDOWS_OF_CAMPAIGN = 4  # of an event without an ad: a minute, five minutes, an hour, a day
CHANGELOGS = (STATE_COUNTED, STATE_JUDGE, STATE_REPORTED, STATE_BUDGETS)
ASKED = {"rows_only_s": 5.0, "rows_and_ids_s": 12.0}
LIMIT_S = 600


def event(number: int, campaign: str, *, at_ms: int = START_MS) -> tuple[bytes, bytes]:
    value = (
        f'{{"event_id":"{number:024x}","platform":"meta","account_id":"acc1","campaign_id":"{campaign}",'
        f'"at":{at_ms},"type":"click","spend_micros":12345,"currency":"EUR"}}'
    )
    return f"meta:acc1:{campaign}".encode(), value.encode()


def produce(settings: Settings, events: Iterator[tuple[bytes, bytes]]) -> None:
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka.bootstrap_servers,
            "partitioner": "murmur2_random",
            "linger.ms": 50,
            "batch.size": 131_072,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    for number, (key, value) in enumerate(events):
        producer.produce(RAW_EVENTS, value, key, timestamp=START_MS)
        if number % 10_000 == 0:
            producer.poll(0)
    producer.flush()


def probe_of(partition: int, partitions: int) -> str:
    """A campaign whose records are in that partition."""
    names = (f"probe{number}" for number in range(1000))
    return next(name for name in names if partition_of(f"meta:acc1:{name}".encode(), partitions) == partition)


def start_again(settings: Settings, environment: dict[str, str], number: int) -> dict[str, Any]:
    """One start: a new event waits in every partition; when is each of them in a total?"""
    client = admin(settings)
    probes = [probe_of(partition, settings.partitions) for partition in range(settings.partitions)]
    ends = end_offsets(client, [TOTALS], settings.partitions)
    produce(settings, (event(1 << 60 | number << 8 | at, name) for at, name in enumerate(probes)))
    consumer = Consumer({"bootstrap.servers": settings.kafka.bootstrap_servers, "group.id": "bench"})
    consumer.assign([TopicPartition(TOTALS, partition, end) for (_, partition), end in ends.items()])
    seen: dict[int, float] = {}
    with worker(environment) as again:
        while len(seen) < settings.partitions:
            for message in consumer.consume(1000, timeout=0.02):
                if message.key() is not None and b":probe" in message.key():
                    seen.setdefault(message.partition(), time.monotonic() - again.started_s)
            if again.process.poll() is not None or time.monotonic() - again.started_s > LIMIT_S:
                raise SystemExit(again.log.read_text()[-3000:])
        found = {
            "first_partition_s": round(min(seen.values()), 2),
            "all_partitions_s": round(max(seen.values()), 2),
            "restore_part_s": again.restored_s(),
            "cpu_s": round(tree_cpu_s(again.pid), 2),
        }
        until_counted(settings, again)
    consumer.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--ids", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows and ids")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    share = 10 if arguments.quick else 1
    campaigns, ids = arguments.rows // share // WINDOWS_OF_CAMPAIGN, arguments.ids // share
    runs: list[dict[str, Any]] = []
    with broker() as environment:
        settings = prepare(environment)
        # first a row of each campaign, then the ids that are left, in a few campaigns
        stages = {"rows": range(campaigns), "rows_and_ids": range(campaigns, ids)}
        for what, numbers in stages.items():
            names = campaigns if what == "rows" else 100
            produce(settings, (event(number, f"c{number % names:07d}") for number in numbers))
            with worker(environment) as first:
                until_counted(settings, first)
            kept = end_offsets(admin(settings), CHANGELOGS, settings.partitions)
            records = {topic: sum(end for (name, _), end in kept.items() if name == topic) for topic in CHANGELOGS}
            for number in range(arguments.rounds):
                found = start_again(settings, environment, len(runs))
                runs.append({"what": what, "rows": campaigns * WINDOWS_OF_CAMPAIGN, "round": number, **found})
                runs[-1]["changelog_records"] = records
                sys.stderr.write(f"{runs[-1]}\n")
    values: dict[str, float | None] = {}
    for what, label in (("rows", "rows_only"), ("rows_and_ids", "rows_and_ids")):
        found_runs = [run for run in runs if run["what"] == what]
        values[f"{label}_s"] = min(run["all_partitions_s"] for run in found_runs)
        values[f"{label}_restore_part_s"] = min(run["restore_part_s"] for run in found_runs)
    Result("restore", values, ASKED, runs, quick=arguments.quick).write(as_json=arguments.json)


if __name__ == "__main__":
    main()
