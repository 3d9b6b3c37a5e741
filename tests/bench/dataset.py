"""The data everybody gets: written once to a topic per length, hashed, and counted by plain code of its own."""

import hashlib
import json
from dataclasses import dataclass

from confluent_kafka import Producer

from tests.bench.cluster import Cluster
from tests.bench.events import START_MS, events

MINUTE_MS = 60_000
SPREAD_MS = 600_000

Row = tuple[int, int, int, int]  # impressions, clicks, conversions, spend in micros
Totals = dict[tuple[str, int], Row]  # (campaign key, start of the minute in Unix ms) ->
MEASURE = {"impression": 0, "click": 1, "conversion": 2}


@dataclass(frozen=True, slots=True)
class Dataset:
    """`sha256` runs over key, NUL and value of every record in order; `expected` is the recount of those bytes."""

    events: int
    topic: str
    sha256: str
    expected: Totals


class Recount:
    """Totals of the records it is shown. Shares no line with any system that is measured."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, int], list[int]] = {}

    def see(self, value: bytes) -> None:
        event = json.loads(value)
        campaign = f"{event['platform']}:{event['account_id']}:{event['campaign_id']}"
        row = self._rows.setdefault((campaign, event["at"] - event["at"] % MINUTE_MS), [0, 0, 0, 0])
        row[MEASURE[event["type"]]] += 1
        row[3] += event["spend_micros"]

    def totals(self) -> Totals:
        return {place: (row[0], row[1], row[2], row[3]) for place, row in self._rows.items()}


def write(cluster: Cluster, count: int, campaigns: int) -> Dataset:
    """Makes the topic of this length. Batches of 128 KB, as a busy producer makes them; not compressed."""
    topic = f"{cluster.prefix}.in.{count}"
    cluster.create(topic)
    producer = Producer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "partitioner": "murmur2_random",
            "log.connection.close": False,
            "linger.ms": 50,
            "batch.size": 131_072,
            "acks": "all",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    whole, recount = hashlib.sha256(), Recount()
    for number, (key, value) in enumerate(events(count, campaigns=campaigns)):
        producer.produce(topic, value, key, timestamp=START_MS + number * SPREAD_MS // count)
        whole.update(key + b"\0" + value)
        recount.see(value)
        if number % 10_000 == 0:
            producer.poll(0)
    if producer.flush(120):
        raise SystemExit("the broker did not take the data")
    return Dataset(count, topic, whole.hexdigest(), recount.totals())
