"""The one way to a producer: what it sends is acknowledged by every copy, and never doubled."""

import asyncio
from typing import cast

from aiokafka import AIOKafkaProducer
from aiokafka.codec import lz4_encode
from aiokafka.errors import KafkaConnectionError

from connectors.kafka import security
from connectors.kafka_admin import describe
from connectors.patience import be_patient
from connectors.settings import Settings
from pipeline.codes import TransientCode
from pipeline.errors import Transient
from pipeline.outputs import BATCH_BYTES
from schemas.topics import TOPICS

MAX_REQUEST_BYTES = 20 << 20  # a dead letter holds a record of the raw topics' 12 MiB in Base64
LZ4_LEVEL = 1  # what aiokafka would take, 9, costs ten times as much to save a tenth of the bytes


def pack(records: bytes) -> bytes:
    """The bytes of a batch's records, as our producers compress them (LZ4)."""
    return cast("bytes", lz4_encode(records, level=LZ4_LEVEL))


async def start_producer(settings: Settings, *, linger_ms: int = 0) -> AIOKafkaProducer:
    """A started producer whose sends are acknowledged by every in-sync copy and never doubled by a retry.

    Raises Transient(BROKER_AWAY), Misconfigured(CREDENTIAL). The caller stops it.
    """
    lz4_encode.__defaults__ = (LZ4_LEVEL,)  # aiokafka has no setting for it
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka.bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=linger_ms,
        max_batch_size=BATCH_BYTES,
        max_request_size=MAX_REQUEST_BYTES,
        **security(settings.kafka),
    )
    be_patient(producer.client)
    try:
        await producer.start()
    except KafkaConnectionError as error:
        await producer.stop()
        if settings.kafka.security_protocol.startswith("SASL_"):
            # aiokafka calls a wrong password an unreachable broker; the admin client tells them apart.
            await asyncio.to_thread(describe, settings, [TOPICS[0].name])
        raise Transient(TransientCode.BROKER_AWAY, f"{settings.kafka.bootstrap_servers}: {error}") from None
    return producer
