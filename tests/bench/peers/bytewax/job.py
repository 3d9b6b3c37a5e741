"""The plain job as Bytewax documents windows: Kafka source, event clock, tumbling fold, Kafka sink."""

import json
import os
from datetime import UTC, datetime, timedelta

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, TumblingWindower, fold_window

BROKERS = [os.environ["BENCH_BOOTSTRAP"]]
MINUTE_MS = 60_000
MEASURE = {"impression": 0, "click": 1, "conversion": 2}


def keyed(message):
    return message.key.decode(), json.loads(message.value)


def at(event):
    return datetime.fromtimestamp(event["at"] / 1000, UTC)


def fold(row, event):
    row[MEASURE[event["type"]]] += 1
    row[3] += event["spend_micros"]
    return row


def merge(one, other):
    return [a + b for a, b in zip(one, other, strict=True)]


def total(item):
    campaign, (window, row) = item
    window_ms = window * MINUTE_MS
    value = {"campaign": campaign, "window_ms": window_ms, "impressions": row[0], "clicks": row[1]}
    value |= {"conversions": row[2], "spend_micros": row[3]}
    return KafkaSinkMessage(f"{campaign}|{window_ms}".encode(), json.dumps(value).encode())


flow = Dataflow("bench")
source = KafkaSource(BROKERS, [os.environ["BENCH_IN"]], tail=False, add_config={"fetch.queue.backoff.ms": "5"})
events = op.map("keyed", op.input("in", flow, source), keyed)
windows = fold_window(
    "minutes",
    events,
    EventClock(ts_getter=at, wait_for_system_duration=timedelta(seconds=10)),
    TumblingWindower(length=timedelta(minutes=1), align_to=datetime(1970, 1, 1, tzinfo=UTC)),
    builder=lambda: [0, 0, 0, 0],
    folder=fold,
    merger=merge,
    ordered=False,
)
op.output("out", op.map("total", windows.down, total), KafkaSink(BROKERS, os.environ["BENCH_OUT"]))
