"""Topics on a real broker: made, corrected, refused; and a login that is right or wrong."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from aiokafka import AIOKafkaConsumer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from pydantic import SecretStr

from connectors.kafka import consumer_config
from connectors.kafka_admin import admin, config_drift, describe, ensure_topics, topic_ids
from connectors.kafka_producer import start_producer
from connectors.local import kafka_jars
from connectors.local.kafka_broker import KafkaBroker
from connectors.local.ports import choose_ports
from connectors.settings import KafkaSettings, Settings
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured
from schemas.topics import TOPICS, Topic


@pytest.fixture
def settings(kafka_bootstrap: str) -> Settings:
    return Settings(kafka=KafkaSettings(bootstrap_servers=kafka_bootstrap), partitions=2)


@pytest.fixture
def topics(topic_prefix: str) -> tuple[Topic, ...]:
    """Every topic of ours, under names of this test's own."""
    return tuple(replace(topic, name=topic_prefix + topic.name) for topic in TOPICS)


def test_topics_are_made_with_their_partitions_and_settings_and_a_second_call_changes_nothing(
    settings: Settings, topics: tuple[Topic, ...]
) -> None:
    assert ensure_topics(settings, topics) == {topic.name: "created" for topic in topics}
    found = describe(settings, [topic.name for topic in topics])
    assert {name: len(description.partitions) for name, description in found.items()} == {
        topic.name: 2 for topic in topics
    }
    assert config_drift(settings, topics) == {}
    assert ensure_topics(settings, topics) == {}


def test_only_what_is_missing_is_made(settings: Settings, topics: tuple[Topic, ...]) -> None:
    ensure_topics(settings, topics[:3])
    assert set(ensure_topics(settings, topics)) == {topic.name for topic in topics[3:]}


def test_a_setting_that_drifted_is_corrected_and_a_strangers_stays(
    settings: Settings, topics: tuple[Topic, ...]
) -> None:
    topic = topics[0]
    ensure_topics(settings, (topic,))
    changes = [
        ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
        for key, value in (("retention.ms", "1000"), ("flush.ms", "777"))
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=changes)
    client = admin(settings)
    client.incremental_alter_configs([resource])[resource].result()
    assert config_drift(settings, (topic,)) == {topic.name: ["retention.ms"]}
    assert ensure_topics(settings, (topic,)) == {topic.name: "corrected retention.ms"}
    stranger = replace(topic, config=MappingProxyType({**topic.config, "flush.ms": "777"}))
    assert config_drift(settings, (stranger,)) == {}


def test_a_topic_is_never_repartitioned(settings: Settings, topics: tuple[Topic, ...]) -> None:
    ensure_topics(settings, topics[:1])
    with pytest.raises(Misconfigured, match=r"partitions is 3, but topic .* has 2") as refused:
        ensure_topics(settings.model_copy(update={"partitions": 3}), topics)
    assert refused.value.code == MisconfiguredCode.SETTING
    assert len(describe(settings, [topic.name for topic in topics])) == 1


def test_a_topic_made_again_has_another_id(settings: Settings, topics: tuple[Topic, ...]) -> None:
    ensure_topics(settings, topics[:2])
    name, other = topics[0].name, topics[1].name
    first = topic_ids(settings, [name, other])
    assert first == topic_ids(settings, [name, other])
    assert first[name] != first[other]
    client = admin(settings)
    client.delete_topics([name])[name].result()
    with pytest.raises(Misconfigured, match="pulse migrate") as missing:
        topic_ids(settings, [name, other])
    assert missing.value.code == MisconfiguredCode.TOPIC_MISSING
    ensure_topics(settings, topics[:2])
    assert topic_ids(settings, [name])[name] != first[name]


CERTIFICATE = Path(__file__).parent / "data" / "broker-certificate.pem"
KEY_AND_CERTIFICATE = Path(__file__).parent / "data" / "broker.pem"


@pytest.fixture(scope="module")
def guarded_broker(kafka_parts: kafka_jars.KafkaJars, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker that takes clients over TLS and with a password only."""
    directory = tmp_path_factory.mktemp("guarded")
    ports = choose_ports(directory / "guarded-ports", {"plain": 0, "guarded": 0, "controller": 0})
    listeners = (
        f"PLAINTEXT://127.0.0.1:{ports['plain']},SASL_SSL://127.0.0.1:{ports['guarded']},"
        f"CONTROLLER://127.0.0.1:{ports['controller']}"
    )
    login = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_pulse="right";'
    broker = KafkaBroker(
        directory / "kafka",
        port=ports["plain"],
        overrides={
            "listeners": listeners,
            "advertised.listeners": listeners,
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{ports['controller']}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(KEY_AND_CERTIFICATE),
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": login,
        },
    )
    broker.start()
    broker.wait_ready()
    yield f"127.0.0.1:{ports['guarded']}"
    broker.stop()


def guarded(address: str, password: str) -> Settings:
    return Settings(
        kafka=KafkaSettings(
            bootstrap_servers=address,
            security_protocol="SASL_SSL",
            sasl_mechanism="PLAIN",
            sasl_username="pulse",
            sasl_password=SecretStr(password),
            ca_file=CERTIFICATE,
        ),
        partitions=1,
    )


async def test_admin_producer_and_consumer_work_over_tls_with_a_login(guarded_broker: str) -> None:
    settings = guarded(guarded_broker, "right")
    topic = replace(TOPICS[0], name="guarded")
    ensure_topics(settings, (topic,))
    producer = await start_producer(settings)
    await producer.send_and_wait("guarded", b"value", key=b"key")
    await producer.stop()
    consumer = AIOKafkaConsumer("guarded", auto_offset_reset="earliest", **consumer_config(settings))
    await consumer.start()
    record = await consumer.getone()
    await consumer.stop()
    assert (record.key, record.value) == (b"key", b"value")


def test_a_wrong_password_is_a_credential_to_mend_and_is_not_shown(guarded_broker: str) -> None:
    with pytest.raises(Misconfigured, match="sasl_password") as refused:
        ensure_topics(guarded(guarded_broker, "wrong-one"))
    assert refused.value.code == MisconfiguredCode.CREDENTIAL
    assert "wrong-one" not in str(refused.value)


async def test_a_producer_with_a_wrong_password_is_refused_as_well(guarded_broker: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        await start_producer(guarded(guarded_broker, "wrong-one"))
    assert refused.value.code == MisconfiguredCode.CREDENTIAL
