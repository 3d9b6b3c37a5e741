"""The local broker, for real: start, stop, kill, pause, and going on with the data each time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from connectors.local import kafka_jars
from connectors.local.kafka_broker import KafkaBroker
from connectors.local.ports import choose_ports
from connectors.local.process_record import ProcessRecord, record_of
from connectors.local.supervisor import PartState, Supervisor
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured


@pytest.fixture
def broker(kafka_parts: kafka_jars.KafkaJars, tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker of the test's own, which it may stop and kill."""
    own = KafkaBroker(tmp_path / "kafka")
    own.start()
    own.wait_ready()
    yield own
    own.kill()


def create(address: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)


def produce(address: str, topic: str, values: list[bytes], *, timestamp_ms: int = 0) -> None:
    """Returns when all are acknowledged."""
    failures: list[Any] = []
    producer = Producer({"bootstrap.servers": address, "acks": "all", "message.timeout.ms": 20_000})
    for value in values:
        producer.produce(topic, value, timestamp=timestamp_ms, on_delivery=lambda error, _: failures.append(error))
    assert producer.flush(20) == 0
    assert failures == [None] * len(values)


def consume(address: str, topic: str, count: int, group: str) -> list[bytes]:
    """The first `count` values."""
    settings = {"bootstrap.servers": address, "group.id": group, "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    values: list[bytes] = []
    end_s = time.monotonic() + 30
    while len(values) < count and time.monotonic() < end_s:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            values.append(message.value() or b"")
    consumer.commit(asynchronous=False)
    consumer.close()
    return values


def until(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, "it did not come to that"
        time.sleep(0.05)


def running(pid: int | str | None) -> ProcessRecord:
    record = record_of("server", int(pid or 0))
    assert record is not None
    return record


def test_what_is_sent_to_the_sessions_broker_is_read_back(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = topic_prefix + "events"
    create(kafka_bootstrap, topic)
    produce(kafka_bootstrap, topic, [b"1", b"2"])
    assert consume(kafka_bootstrap, topic, 2, topic_prefix + "group") == [b"1", b"2"]


def test_a_send_to_a_missing_topic_makes_none(kafka_bootstrap: str, topic_prefix: str) -> None:
    producer = Producer({"bootstrap.servers": kafka_bootstrap, "message.timeout.ms": 1500})
    errors: list[Any] = []
    producer.produce(topic_prefix + "missing", b"x", on_delivery=lambda error, _: errors.append(error))
    producer.flush(10)
    assert errors[0].code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._MSG_TIMED_OUT)
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    assert topic_prefix + "missing" not in admin.list_topics(timeout=10).topics


def test_a_clock_ahead_of_the_brokers_is_taken(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = topic_prefix + "fast"
    create(kafka_bootstrap, topic)
    a_month_ahead_ms = (time.time_ns() // 1_000_000) + 30 * 86_400_000
    produce(kafka_bootstrap, topic, [b"tomorrow"], timestamp_ms=a_month_ahead_ms)
    assert consume(kafka_bootstrap, topic, 1, topic_prefix + "group") == [b"tomorrow"]


def test_a_stopped_broker_leaves_no_process_and_goes_on_with_data_offsets_and_address(broker: KafkaBroker) -> None:
    address, process = broker.address, running(broker.pid)
    create(address, "kept")
    produce(address, "kept", [b"1", b"2"])
    assert consume(address, "kept", 2, "reader") == [b"1", b"2"]
    broker.stop()
    assert not process.alive
    again = KafkaBroker(broker.directory)
    again.start()
    again.wait_ready()
    try:
        assert again.address == address
        produce(address, "kept", [b"3"])
        assert consume(address, "kept", 1, "reader") == [b"3"], "the group goes on where it stood"
        assert consume(address, "kept", 3, "another") == [b"1", b"2", b"3"]
    finally:
        again.stop()


def test_after_kill_9_everything_acknowledged_is_there(broker: KafkaBroker) -> None:
    address = broker.address
    create(address, "kept")
    values = [str(n).encode() for n in range(500)]
    produce(address, "kept", values)
    broker.kill()
    assert broker.exit_code == -signal.SIGKILL
    broker.start()
    broker.wait_ready()
    assert broker.address == address
    assert consume(address, "kept", 500, "reader") == values


def test_a_paused_broker_is_silent_and_a_resumed_one_answers(broker: KafkaBroker) -> None:
    broker.pause()
    admin = AdminClient({"bootstrap.servers": broker.address, "log_level": 0})
    with pytest.raises(KafkaException):
        admin.list_topics(timeout=1.0)
    broker.resume()
    assert admin.list_topics(timeout=20).brokers


def test_a_paused_broker_can_be_stopped(broker: KafkaBroker) -> None:
    process = running(broker.pid)
    broker.pause()
    broker.stop()
    assert not process.alive


def test_two_brokers_are_two_clusters(broker: KafkaBroker, kafka_broker: KafkaBroker) -> None:
    ids = {
        AdminClient({"bootstrap.servers": each.address}).list_topics(timeout=10).cluster_id
        for each in (broker, kafka_broker)
    }
    assert len(ids) == 2


def test_overrides_reach_the_broker(kafka_parts: kafka_jars.KafkaJars, tmp_path: Path) -> None:
    own = KafkaBroker(tmp_path / "kafka", overrides={"auto.create.topics.enable": "true", "num.partitions": "3"})
    own.start()
    try:
        own.wait_ready()
        produce(own.address, "made", [b"x"])
        topics = AdminClient({"bootstrap.servers": own.address}).list_topics(timeout=10).topics
        assert len(topics["made"].partitions) == 3
    finally:
        own.kill()


def test_a_wanted_port_that_is_taken_is_named(broker: KafkaBroker, tmp_path: Path) -> None:
    taken = int(broker.address.split(":")[1])
    with pytest.raises(Misconfigured, match=f"Port {taken}") as refused:
        KafkaBroker(tmp_path / "other", port=taken).start()
    assert refused.value.code == MisconfiguredCode.PORT_IN_USE


def test_a_port_that_is_lost_just_before_the_start_is_chosen_anew(
    broker: KafkaBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = int(broker.address.split(":")[1])
    calls: list[Mapping[str, int]] = []

    def lose_the_first(remembered: Path, wanted: Mapping[str, int]) -> dict[str, int]:
        calls.append(wanted)
        return {**choose_ports(remembered, wanted), **({"broker": taken} if len(calls) == 1 else {})}

    monkeypatch.setattr("connectors.local.engine.choose_ports", lose_the_first)
    other = KafkaBroker(tmp_path / "other")
    other.start()
    try:
        other.wait_ready()
        assert len(calls) == 2
        assert other.address != broker.address
    finally:
        other.kill()


def test_a_second_broker_over_the_same_directory_is_refused(broker: KafkaBroker) -> None:
    with pytest.raises(Misconfigured, match=f"process {broker.pid}") as refused:
        KafkaBroker(broker.directory).start()
    assert refused.value.code == MisconfiguredCode.ALREADY_RUNNING
    assert broker.alive


def test_a_broker_that_cannot_start_shows_the_end_of_its_log(kafka_parts: kafka_jars.KafkaJars, tmp_path: Path) -> None:
    own = KafkaBroker(tmp_path / "kafka", overrides={"log.cleaner.threads": "none"})
    own.start()
    with pytest.raises(Misconfigured, match=r"log\.cleaner\.threads") as failed:
        own.wait_ready()
    assert str(own.log_file) in failed.value.detail


def test_a_supervised_broker_that_is_killed_comes_back_at_its_address(broker: KafkaBroker, tmp_path: Path) -> None:
    address = broker.address
    with Supervisor(tmp_path / "system") as supervisor:
        supervisor.adopt("kafka", broker)
        os.kill(broker.pid or 0, signal.SIGKILL)
        until(lambda: supervisor.status()[0].restarts == 1)
        broker.wait_ready()
        assert broker.address == address
        assert supervisor.status()[0].state is PartState.RUNNING
        process = running(broker.pid)
    assert not process.alive


PARENT = """
import sys, time
from pathlib import Path
from connectors.local.clickhouse_server import ClickHouseServer
from connectors.local.kafka_broker import KafkaBroker
from connectors.local.ports import choose_ports
from connectors.local.process_record import ProcessRecord, record_of
from connectors.local.supervisor import Supervisor
directory = Path(sys.argv[1])
supervisor = Supervisor(directory)
supervisor.open()
servers = [KafkaBroker(directory / "kafka"), ClickHouseServer(directory / "clickhouse")]
for server in servers:
    supervisor.adopt(server.name, server)
for server in servers:
    server.wait_ready()
print(*(server.pid for server in servers), servers[0].address, flush=True)
time.sleep(60)
"""


def test_broker_and_clickhouse_die_with_a_killed_parent_and_the_next_start_works(
    kafka_parts: kafka_jars.KafkaJars, tmp_path: Path
) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    *pids, address = parent.stdout.readline().split()
    servers = [running(pid) for pid in pids]
    assert len(servers) == 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not any(server.alive for server in servers), limit_s=3)
    again = KafkaBroker(tmp_path / "kafka")
    again.start()
    try:
        again.wait_ready()
        assert again.address == address
    finally:
        again.kill()
