"""The plain job with aiokafka alone: whole wire batches in, a dict, whole batches out."""

import asyncio
import os
import signal
import time

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.consumer import fetcher

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


def whole_batches(self):
    """Instead of a ConsumerRecord per record, which costs more than everything else here."""
    while self._records.has_next():
        batch = self._records.next_batch()
        if self._check_crcs and not batch.validate_crc():
            raise ValueError("broken batch")
        records = [record for record in batch if record.offset >= self.next_fetch_offset]
        self.next_fetch_offset = batch.next_offset
        yield records


fetcher.PartitionRecords._unpack_records = whole_batches


class Job:
    def __init__(self):
        self.rows = [{} for _ in range(PARTITIONS)]  # (campaign, minute) -> impressions, clicks, conversions, spend
        self.changed = [{} for _ in range(PARTITIONS)]
        self.decode = msgspec.json.Decoder(Event).decode

    def count(self, partition, records):
        rows, changed, decode, measure = self.rows[partition], self.changed[partition], self.decode, MEASURE
        for record in records:
            event = decode(record.value)
            at = event.at
            place = (record.key, at - at % MINUTE_MS)
            row = rows.get(place)
            if row is None:
                row = rows[place] = [0, 0, 0, 0]
            row[measure[event.type]] += 1
            row[3] += event.spend_micros
            changed[place] = row

    async def flush(self, producer, consumer):
        encode = msgspec.json.encode
        acks = []
        for partition, rows in enumerate(self.changed):
            if not rows:
                continue
            self.changed[partition] = {}
            totals = [
                (
                    b"%b|%d" % place,
                    encode(
                        {
                            "campaign": place[0].decode(),
                            "window_ms": place[1],
                            "impressions": row[0],
                            "clicks": row[1],
                            "conversions": row[2],
                            "spend_micros": row[3],
                        }
                    ),
                )
                for place, row in rows.items()
            ]
            state = [(key, encode(row)) for (key, _), row in zip(totals, rows.values(), strict=True)]
            for topic, records in ((OUT, totals), (CHANGELOG, state)):
                acks += await self.send(producer, topic, partition, records)
        await asyncio.gather(*acks)
        if acks:
            await consumer.commit()

    async def send(self, producer, topic, partition, records):
        acks, batch, now = [], producer.create_batch(), int(time.time() * 1000)
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=now) is None:
                acks.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=now)
        return [*acks, await producer.send_batch(batch, topic, partition=partition)]


async def main():
    admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await admin.start()
    await admin.create_topics([NewTopic(CHANGELOG, PARTITIONS, 1, topic_configs={"cleanup.policy": "compact"})])
    await admin.close()
    consumer = AIOKafkaConsumer(
        os.environ["BENCH_IN"],
        bootstrap_servers=BOOTSTRAP,
        group_id=GROUP,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    producer = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, acks="all", max_batch_size=131_072)
    await consumer.start()
    await producer.start()
    job, stop = Job(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    due = time.monotonic() + FLUSH_S
    while not stop.is_set():
        for partition, batches in (await consumer.getmany(timeout_ms=50)).items():
            for records in batches:
                job.count(partition.partition, records)
        if time.monotonic() >= due:
            await job.flush(producer, consumer)
            due = time.monotonic() + FLUSH_S
    await producer.stop()
    await consumer.stop()


asyncio.run(main())
