"""How far a file has been read: one record a file and mapping on the compacted topic of cursors."""

from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from connectors.kafka import consumer_config, partition_of
from connectors.settings import Settings
from pipeline.codes import TransientCode
from pipeline.errors import Transient
from schemas.topics import CURSORS

READ_MS = 1_000


@dataclass(frozen=True, slots=True)
class FileCursor:
    """`rows` of the file are on the broker, acknowledged; `recorded_ms`: the latest instant among them."""

    rows: int = 0
    recorded_ms: int = 0
    finished: bool = False


def cursor_key(name: str, file_digest: str, mapping_digest: str) -> bytes:
    """The same bytes under the same mapping and name are the same source."""
    return f"file|{name}|{file_digest[:32]}.{mapping_digest[:16]}".encode()


def encode_cursor(cursor: FileCursor) -> bytes:
    return orjson.dumps({"v": 1, **asdict(cursor)})


async def load_cursor(settings: Settings, key: bytes, topic: str = CURSORS) -> FileCursor:
    """The last one saved under `key`, else the beginning. Raises Transient(BROKER_AWAY)."""
    consumer = AIOKafkaConsumer(**consumer_config(settings), group_id=None, auto_offset_reset="earliest")
    place = TopicPartition(topic, partition_of(key, settings.partitions))
    try:
        await consumer.start()
        value = await _last(consumer, place, key)
    except KafkaError as error:
        raise Transient(TransientCode.BROKER_AWAY, str(error) or type(error).__name__) from None
    finally:
        await consumer.stop()
    return FileCursor() if value is None else msgspec.json.decode(value, type=FileCursor)


async def _last(consumer: Any, place: TopicPartition, key: bytes) -> bytes | None:
    consumer.assign([place])
    end = (await consumer.end_offsets([place]))[place]
    await consumer.seek_to_beginning(place)
    value: bytes | None = None
    while await consumer.position(place) < end:
        for record in (await consumer.getmany(place, timeout_ms=READ_MS)).get(place, []):
            if record.key == key:
                value = record.value
    return value
