"""A broker for the sink alone, with empty topics, and a fresh database for each test."""

from collections.abc import Callable, Iterator

import pytest

from connectors import telemetry
from connectors.clickhouse.client import connected
from connectors.clickhouse.migrations import migrate
from connectors.kafka_admin import ensure_topics
from connectors.local.kafka_broker import KafkaBroker
from connectors.settings import Settings
from tests.integration.clickhouse_rows import settings_of
from tests.integration.clickhouse_sink.sinking import delete_topics

PARTITIONS = 2


@pytest.fixture(scope="package")
def broker(kafka_parts: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A broker of our own: the sink reads whole topics, and the session's may hold other tests' records."""
    engine = KafkaBroker(tmp_path_factory.mktemp("kafka"))
    engine.start()
    try:
        engine.wait_ready()
        yield engine
    finally:
        engine.stop()


@pytest.fixture
def settings(broker: KafkaBroker, clickhouse_http: int, unique_name: Callable[[str], str]) -> Iterator[Settings]:
    """Empty topics and a fresh database."""
    made = settings_of(
        clickhouse_http,
        unique_name("sink"),
        kafka={"bootstrap_servers": broker.address},
        partitions=PARTITIONS,
        sink={"flush_s": 0.1},
    )
    telemetry.health.clear()
    delete_topics(made)
    ensure_topics(made)
    migrate(made)
    yield made
    with connected(made, database=False) as client:
        client.command(f"DROP DATABASE `{made.clickhouse.database}`")
