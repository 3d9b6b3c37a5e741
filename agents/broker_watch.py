"""Whether the broker answers this worker: always in health, once in the log. Reading and writing wait by themselves."""

import asyncio

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from connectors import telemetry

CHECK = "kafka"
LOOK_S = 2.0
ANSWER_S = 3.0  # the broker is on its way within milliseconds; a longer silence is news
log = telemetry.log(__name__)


async def watch_broker(producer: AIOKafkaProducer) -> None:
    """Runs beside the agents until cancelled."""
    away = False
    while True:
        failure = await _failure(producer)
        telemetry.health.set(CHECK, ok=not failure, detail=failure)
        if failure and not away:
            log.warning("broker away", detail=failure)
        elif away and not failure:
            log.info("broker is back")
        away = bool(failure)
        await asyncio.sleep(LOOK_S)


async def _failure(producer: AIOKafkaProducer) -> str:
    """What is wrong; "" when it answers."""
    try:
        await asyncio.wait_for(producer.client.fetch_all_metadata(), ANSWER_S)
    except TimeoutError:
        return f"no answer within {ANSWER_S:g} s"
    except KafkaError as error:
        return str(error) or type(error).__name__
    return ""
