"""What a topic holds now, for tests that look at records."""

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from connectors.kafka import consumer_config
from connectors.settings import Settings


async def records_of(settings: Settings, topic: str, *, ticks: bool = False) -> list[ConsumerRecord]:
    """Every record up to the present end, in order per partition; ticks (no key, no value) only when asked for."""
    consumer = AIOKafkaConsumer(**consumer_config(settings), auto_offset_reset="earliest")
    await consumer.start()
    try:
        left = {TopicPartition(topic, number) for number in range(settings.partitions)}
        consumer.assign(list(left))
        ends = await consumer.end_offsets(list(left))
        found: list[ConsumerRecord] = []
        while left := {place for place in left if await consumer.position(place) < ends[place]}:
            for records in (await consumer.getmany(*left, timeout_ms=500)).values():
                found += records
    finally:
        await consumer.stop()
    return [record for record in found if ticks or record.key is not None or record.value is not None]
