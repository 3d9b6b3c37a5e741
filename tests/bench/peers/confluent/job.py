"""The plain job with confluent-kafka: 500 messages a call, a dict, changelog and totals, commit."""

import os
import signal
import time

import msgspec
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP, GROUP, OUT = (os.environ[f"BENCH_{name}"] for name in ("BOOTSTRAP", "GROUP", "OUT"))
PARTITIONS = int(os.environ["BENCH_PARTITIONS"])
CHANGELOG = f"{GROUP}.changelog"
FLUSH_S = 1.0
MINUTE_MS = 60_000
MEASURE = {"impression": 0, "click": 1, "conversion": 2}


class Event(msgspec.Struct, gc=False):
    at: int
    type: str
    spend_micros: int


def flush(producer, consumer, changed):
    for (campaign, minute, partition), row in changed.items():
        key = b"%b|%d" % (campaign, minute)
        total = {"campaign": campaign.decode(), "window_ms": minute, "impressions": row[0], "clicks": row[1]}
        total |= {"conversions": row[2], "spend_micros": row[3]}
        for topic, value in ((OUT, total), (CHANGELOG, row)):
            while True:
                try:
                    producer.produce(topic, msgspec.json.encode(value), key, partition)
                    break
                except BufferError:
                    producer.poll(0.05)
    producer.flush()
    if changed:
        consumer.commit(asynchronous=False)


def main():
    wanted = [NewTopic(CHANGELOG, PARTITIONS, 1, config={"cleanup.policy": "compact"})]
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})  # a name of its own: its answers end when it does
    for answer in admin.create_topics(wanted).values():
        answer.result()
    consumer = Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": GROUP,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 5,
        }
    )
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 20, "batch.size": 131_072, "acks": "all"})
    consumer.subscribe([os.environ["BENCH_IN"]])
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    decode = msgspec.json.Decoder(Event).decode
    rows, changed, due = {}, {}, time.monotonic() + FLUSH_S
    while not stop:
        for message in consumer.consume(500, timeout=0.05):
            event = decode(message.value())
            at = event.at
            place = (message.key(), at - at % MINUTE_MS, message.partition())
            row = rows.get(place)
            if row is None:
                row = rows[place] = [0, 0, 0, 0]
            row[MEASURE[event.type]] += 1
            row[3] += event.spend_micros
            changed[place] = row
        if time.monotonic() >= due:
            flush(producer, consumer, changed)
            changed, due = {}, time.monotonic() + FLUSH_S
    consumer.close()


main()
