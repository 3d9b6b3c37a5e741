"""The plain job as Faust documents windows: a record per event, a tumbling table, a timer that publishes."""

import os
from datetime import timedelta

import faust

MINUTE_MS = 60_000
MEASURE = {"impression": 0, "click": 1, "conversion": 2}

app = faust.App(
    os.environ["BENCH_GROUP"],
    broker=f"kafka://{os.environ['BENCH_BOOTSTRAP']}",
    store="memory://",
    datadir=os.environ["BENCH_STATE"],
    topic_partitions=int(os.environ["BENCH_PARTITIONS"]),
    topic_replication_factor=1,
    broker_commit_interval=1.0,
)


class Event(faust.Record, serializer="json"):
    at: int
    type: str
    spend_micros: int


events = app.topic(os.environ["BENCH_IN"], key_type=str, key_serializer="raw", value_type=Event)
out = app.topic(os.environ["BENCH_OUT"], key_serializer="raw", value_serializer="json")
totals = (
    app.Table("totals", default=lambda: [0, 0, 0, 0])
    .tumbling(timedelta(minutes=1), expires=timedelta(hours=1))
    .relative_to(lambda event: event.value.at / 1000)
)
changed = {}


@app.agent(events)
async def count(stream):
    async for campaign, event in stream.items():
        row = list(totals[campaign].value())
        row[MEASURE[event.type]] += 1
        row[3] += event.spend_micros
        totals[campaign] = row
        changed[campaign, event.at - event.at % MINUTE_MS] = row


@app.timer(interval=1.0)
async def publish():
    rows = dict(changed)
    changed.clear()
    for (campaign, window_ms), row in rows.items():
        value = {"campaign": campaign, "window_ms": window_ms, "impressions": row[0], "clicks": row[1]}
        value |= {"conversions": row[2], "spend_micros": row[3]}
        await out.send(key=f"{campaign}|{window_ms}".encode(), value=value)
