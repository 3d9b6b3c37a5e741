"""A whole system on free ports for tests: broker, ClickHouse, and as many of our processes as a test asks for."""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Consumer, Producer, TopicPartition

from agents.drain import drain
from connectors.clickhouse.client import connected, rows
from connectors.clickhouse.migrations import migrate
from connectors.clickhouse.verify import verify
from connectors.kafka_admin import admin, ensure_topics
from connectors.lag import end_offsets
from connectors.local.clickhouse_server import ClickHouseServer
from connectors.local.kafka_broker import KafkaBroker
from connectors.local.supervisor import Supervised, Supervisor
from connectors.settings import Settings, load_settings

PROGRAM = [sys.executable, "-m", "agents.cli.main"]


@dataclass(frozen=True, slots=True)
class Message:
    """A record as it stands in a topic."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass
class System:
    """`environment` is what our processes get; `settings` the same, read."""

    directory: Path
    supervisor: Supervisor
    environment: dict[str, str]
    settings: Settings
    kafka: KafkaBroker
    clickhouse: ClickHouseServer
    started: dict[str, Sequence[str]] = field(default_factory=dict)

    def start(self, name: str, *arguments: str, **environment: str) -> None:
        """One `pulse` process, restarted when it ends."""
        log = self.directory / "logs" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        whole = {**os.environ, **self.environment, **environment}
        self.supervisor.start(Supervised(name, [*PROGRAM, *arguments], log, env=whole))
        self.started[name] = arguments

    def workers(self, count: int = 1, **environment: str) -> list[str]:
        names = [f"worker-{number}" for number in range(1, count + 1)]
        for name in names:
            self.start(name, "worker", PULSE_WORKER__INSTANCE=name, **environment)
        return names

    def log(self, name: str) -> str:
        return (self.directory / "logs" / f"{name}.log").read_text(errors="replace")

    def pid(self, name: str) -> int | None:
        return next((part.pid for part in self.supervisor.status() if part.name == name), None)

    def kill(self, name: str) -> bool:
        """kill -9, now; False when it was just not running."""
        pid = self.pid(name)
        if pid is None:
            return False
        try:
            psutil.Process(pid).kill()
        except psutil.NoSuchProcess:
            return False
        return True

    def drain(self, limit_s: float = 60) -> None:
        logs = "\n".join(f"--- {name}\n{self.log(name)[-1500:]}" for name in self.started)
        assert drain(self.settings, limit_s=limit_s), f"not drained within {limit_s} s\n{logs}"

    def verify(self) -> dict[str, Any]:
        found: dict[str, Any] = verify(self.settings).as_dict()
        return found

    def sql(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        with connected(self.settings) as client:
            return rows(client, query, parameters)

    def alerts(self) -> set[tuple[str, int, str]]:
        """(alert id, version, transition) of everything delivered."""
        found = self.sql("SELECT DISTINCT alert_id, version, transition FROM alert_history FINAL")
        return {(row["alert_id"], row["version"], row["transition"]) for row in found}

    def read(self, *topics: str) -> list[Message]:
        """Everything in these topics, in order per partition."""
        ends = end_offsets(admin(self.settings), topics, self.settings.partitions)
        consumer = Consumer({"bootstrap.servers": self.kafka.address, "group.id": "test", "enable.auto.commit": False})
        consumer.assign([TopicPartition(topic, number, 0) for topic, number in ends])
        left, found = {place for place, end in ends.items() if end > 0}, []
        deadline = time.monotonic() + 60
        while left and time.monotonic() < deadline:
            for message in consumer.consume(10_000, timeout=0.5):
                assert message.error() is None, message.error()
                place = (message.topic() or "", message.partition() or 0)
                offset = message.offset() or 0
                found.append(Message(*place, offset, message.timestamp()[1], message.key(), message.value()))
                if offset + 1 >= ends[place]:
                    left.discard(place)
        consumer.close()
        assert not left, left
        return found

    def produce(self, messages: Sequence[Message], *, per_s: float | None = None) -> None:
        """Put records on their topics and partitions, in order, at so many a second."""
        producer = Producer({"bootstrap.servers": self.kafka.address, "linger.ms": 20, "acks": "all"})
        started = time.monotonic()
        for number, message in enumerate(messages):
            if per_s is not None and number % 50 == 0:
                producer.poll(0)
                time.sleep(max(0.0, started + number / per_s - time.monotonic()))
            producer.produce(message.topic, message.value, message.key, message.partition, timestamp=message.timestamp)
            if number % 5000 == 0:
                producer.flush()
        assert producer.flush(60) == 0


@contextmanager
def system(directory: Path, environment: Mapping[str, str] | None = None, *, lasting: bool = False) -> Iterator[System]:
    """Broker and ClickHouse with topics and tables; ends everything it started. `lasting`: for minutes of load."""
    with Supervisor(directory) as supervisor:
        kafka = KafkaBroker(directory / "kafka", lasting=lasting)
        clickhouse = ClickHouseServer(directory / "clickhouse")
        supervisor.adopt("kafka", kafka)
        supervisor.adopt("clickhouse", clickhouse)
        kafka.wait_ready()
        clickhouse.wait_ready()
        own = {
            "KAFKA_BOOTSTRAP_SERVERS": kafka.address,
            "PULSE_CLICKHOUSE__PORT": str(clickhouse.http_port),
            "PULSE_DATA_DIR": str(directory),
            **(environment or {}),
        }
        settings = load_settings(environ=own)
        ensure_topics(settings)
        migrate(settings)
        yield System(directory, supervisor, own, settings, kafka, clickhouse)
