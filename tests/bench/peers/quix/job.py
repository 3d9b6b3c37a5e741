"""The plain job as Quix Streams documents windows: tumbling, reduce, current()."""

import os
from datetime import timedelta

from quixstreams import Application

MEASURE = {"impression": "impressions", "click": "clicks", "conversion": "conversions"}


def first(event):
    return add({"impressions": 0, "clicks": 0, "conversions": 0, "spend_micros": 0}, event)


def add(row, event):
    row[MEASURE[event["type"]]] += 1
    row["spend_micros"] += event["spend_micros"]
    return row


def total(window, key, _timestamp, _headers):
    return {"campaign": key, "window_ms": window["start"], **window["value"]}


app = Application(
    broker_address=os.environ["BENCH_BOOTSTRAP"],
    consumer_group=os.environ["BENCH_GROUP"],
    auto_offset_reset="earliest",
    commit_interval=1.0,
    state_dir=os.environ["BENCH_STATE"],
    consumer_extra_config={"fetch.queue.backoff.ms": 5},
)
source = app.topic(
    os.environ["BENCH_IN"],
    key_deserializer="str",
    value_deserializer="json",
    timestamp_extractor=lambda event, _headers, _timestamp, _type: event["at"],
)
totals = app.topic(os.environ["BENCH_OUT"], key_serializer="str", value_serializer="json")
minutes = app.dataframe(source).tumbling_window(timedelta(minutes=1), grace_ms=timedelta(seconds=10))
rows = minutes.reduce(reducer=add, initializer=first).current().apply(total, metadata=True)
rows.to_topic(totals, key=lambda row: f"{row['campaign']}|{row['window_ms']}")
app.run()
