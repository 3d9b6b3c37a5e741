"""Where each source resumes, in the compacted topic `cursors.v1`; written behind what it stands for."""

from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from connectors.kafka import consumer_config
from connectors.settings import Settings
from schemas.topics import CURSORS


class Cursors:
    """`await Cursors.load(...)`; then `get`, and `save`, which returns when the broker has it."""

    def __init__(self, producer: AIOKafkaProducer, saved: dict[str, Any]) -> None:
        self._producer, self._saved = producer, saved

    @classmethod
    async def load(cls, settings: Settings, producer: AIOKafkaProducer, prefix: str) -> "Cursors":
        """Every cursor whose name begins with `prefix`, read from the start of the topic to its end."""
        saved: dict[str, Any] = {}
        consumer = AIOKafkaConsumer(**consumer_config(settings), auto_offset_reset="earliest")
        await consumer.start()
        try:
            todo = {TopicPartition(CURSORS, number) for number in range(settings.partitions)}
            consumer.assign(list(todo))
            ends = await consumer.end_offsets(list(todo))
            while todo := {tp for tp in todo if await consumer.position(tp) < ends[tp]}:
                for records in (await consumer.getmany(*todo, timeout_ms=200)).values():
                    for record in records:
                        name = record.key.decode()
                        if name.startswith(prefix):
                            saved[name] = None if record.value is None else orjson.loads(record.value)
        finally:
            await consumer.stop()
        return cls(producer, {name: value for name, value in saved.items() if value is not None})

    def get(self, name: str) -> Any:
        """The saved value, None if there is none."""
        return self._saved.get(name)

    def names(self, prefix: str) -> list[str]:
        return [name for name in self._saved if name.startswith(prefix)]

    async def save(self, name: str, value: Any) -> None:
        """None forgets the cursor."""
        body = None if value is None else orjson.dumps(value)
        await self._producer.send_and_wait(CURSORS, body, key=name.encode())
        if value is None:
            self._saved.pop(name, None)
        else:
            self._saved[name] = value
