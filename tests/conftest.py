"""The real parts every integration test may use, one of each per session, and the marker by folder."""

import atexit
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest
from hypothesis import settings

from connectors.local import kafka_jars
from connectors.local.clickhouse_server import ClickHouseServer
from connectors.local.engine import Engine
from connectors.local.kafka_broker import KafkaBroker
from pipeline.errors import Misconfigured

INTEGRATION = Path(__file__).parent / "integration"
settings.register_profile("untimed", deadline=None)  # how fast an example is, is a matter of the machine
settings.load_profile("untimed")
E = TypeVar("E", bound=Engine)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if INTEGRATION in item.path.parents:
            item.add_marker("integration")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetches Kafka's jars before the first test, so that a slow network does not run into a test's time limit."""
    wanted = {"kafka_broker", "kafka_parts"}
    if session.config.option.collectonly or not any(
        wanted & set(getattr(item, "fixturenames", ())) for item in session.items
    ):
        return
    try:
        kafka_jars.resolve(lambda line: os.write(2, f"{line}\n".encode()))
    except Misconfigured:
        return  # the fixture says so, in every test that needs the broker


@pytest.fixture(scope="session")
def kafka_parts() -> kafka_jars.KafkaJars:
    """What a test needs that starts a broker of its own."""
    try:
        return kafka_jars.resolve()
    except Misconfigured as missing:
        failure = missing.detail
    pytest.fail(failure, pytrace=False)  # outside of the handler: the sentence alone, without a chain of errors


@pytest.fixture(scope="session")
def kafka_broker(kafka_parts: kafka_jars.KafkaJars, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """The session's broker. Tests take topics and groups of their own (`topic_prefix`); none stops or kills it."""
    yield from _running(KafkaBroker(tmp_path_factory.mktemp("kafka")))


@pytest.fixture(scope="session")
def kafka_bootstrap(kafka_broker: KafkaBroker) -> str:
    """Its address, as clients take it."""
    return kafka_broker.address


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """The session's ClickHouse. Tests take databases of their own (`unique_name`); none stops or kills it."""
    yield from _running(ClickHouseServer(tmp_path_factory.mktemp("clickhouse")))


@pytest.fixture(scope="session")
def clickhouse_http(clickhouse_server: ClickHouseServer) -> int:
    """Its HTTP port, on 127.0.0.1."""
    return clickhouse_server.http_port


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for the topics and groups of one test, ending in a dot."""
    return f"t{uuid4().hex[:10]}."


@pytest.fixture
def unique_name() -> Callable[[str], str]:
    """Makes names nobody else has, fit for databases, tables and groups."""
    return lambda stem: f"{stem}_{uuid4().hex[:10]}"


def _running(engine: E) -> Iterator[E]:
    atexit.register(engine.stop)
    failure = ""
    try:
        engine.start()
        engine.wait_ready()
    except Misconfigured as missing:
        failure = missing.detail
    if failure:
        engine.stop()
        pytest.fail(failure, pytrace=False)
    yield engine
    engine.stop()
    atexit.unregister(engine.stop)
