"""A restore over connections that are reset: read again in place, whole, and not half."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from agents.restore import Held, restore
from agents.stages import build_stages
from connectors.kafka import consumer_config
from connectors.kafka_admin import ensure_topics
from connectors.local import kafka_jars
from connectors.local.kafka_broker import KafkaBroker
from connectors.local.ports import HOST
from connectors.settings import Settings, load_settings
from pipeline.changelog import Changelog
from pipeline.counted import CountedState
from schemas.topics import RAW_EVENTS, STATE_COUNTED
from tests.chaos.proxied import listener_behind
from tests.chaos.slow_proxy import SlowProxy

ROWS = 400


def settings_for(address: str, folder: Path) -> Settings:
    return load_settings(environ={"KAFKA_BOOTSTRAP_SERVERS": address, "PULSE_DATA_DIR": str(folder)})


@pytest.fixture(scope="module")
def broker(kafka_parts: kafka_jars.KafkaJars, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    own = KafkaBroker(tmp_path_factory.mktemp("kafka"))
    own.start()
    own.wait_ready()
    yield own
    own.kill()


@pytest.fixture(scope="module")
def proxy(broker: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlowProxy]:
    """In front of a broker that keeps some rows."""
    folder = tmp_path_factory.mktemp("proxy")
    between = listener_behind(broker, folder / "ports.json")
    broker.stop()
    broker.start()
    broker.wait_ready()
    settings = settings_for(broker.address, folder)
    ensure_topics(settings)
    rows = [(f"email:acc:c{n}||1m|0".encode(), [n, 1_000, 0, 0, 60_000, n]) for n in range(ROWS)]
    producer = Producer({"bootstrap.servers": broker.address})
    for number, (key, value) in enumerate(Changelog(b"before").write(rows)):
        producer.produce(STATE_COUNTED, value, key, partition=number % settings.partitions)
    assert producer.flush(20) == 0
    yield between
    between.close()


async def restored(settings: Settings) -> dict[tuple[str, int], Held]:
    stages = [stage for stage in build_stages(settings) if stage.source == RAW_EVENTS]
    wanted = [(stage, number) for stage in stages for number in range(settings.partitions)]
    return await restore(wanted, {RAW_EVENTS: "id"}, consumer_config(settings))


# The first requests are those of the start, the others ask for ends and for records.
@pytest.mark.parametrize("at", [1, 2, 3, 5, 8])
async def test_a_restore_whose_connections_are_reset_restores_everything(
    proxy: SlowProxy, tmp_path: Path, at: int
) -> None:
    requests, resets = 0, []

    def reset_at(_: bytes) -> None:
        nonlocal requests
        requests += 1
        if requests == at:
            resets.append(asyncio.ensure_future(proxy._reset()))

    proxy.on_request = reset_at
    held = await asyncio.wait_for(restored(settings_for(f"{HOST}:{proxy.port}", tmp_path)), 30)
    assert requests > at
    assert len(resets) == 1
    rows = {}
    for one in held.values():
        assert isinstance(one.state, CountedState)
        rows.update(one.state.windows.rows)
    assert sorted(row[0] for row in rows.values()) == list(range(ROWS))
