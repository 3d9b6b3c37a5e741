"""Kafka clients from settings: partitions, credentials, and how the brokers' failures are sorted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from pydantic import SecretStr

from connectors import kafka
from connectors.kafka import consumer_config, faust_credentials, partition_of
from connectors.settings import KafkaSettings, Settings
from pipeline.codes import MisconfiguredCode, TransientCode
from pipeline.errors import Misconfigured, Transient

SASL = KafkaSettings(
    security_protocol="SASL_PLAINTEXT",
    sasl_mechanism="SCRAM-SHA-512",
    sasl_username="pulse",
    sasl_password=SecretStr("secret"),
)
# Kafka's own UtilsTest.testMurmur2: key, and murmur2 of it.
JAVA_MURMUR2 = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("partitions", [1, 4, 7])
@pytest.mark.parametrize(("key", "murmur2"), JAVA_MURMUR2.items())
def test_a_key_goes_where_the_java_client_sends_it(key: bytes, murmur2: int, partitions: int) -> None:
    assert partition_of(key, partitions) == (murmur2 & 0x7FFFFFFF) % partitions


def test_a_plain_connection_needs_no_credentials() -> None:
    assert faust_credentials(KafkaSettings()) is None
    assert "sasl_mechanism" not in consumer_config(Settings())


def test_a_login_reaches_every_kind_of_client() -> None:
    options = consumer_config(Settings(kafka=SASL))
    assert options["sasl_plain_username"] == "pulse"
    assert options["sasl_plain_password"] == "secret"
    assert (options["security_protocol"], options["sasl_mechanism"]) == ("SASL_PLAINTEXT", "SCRAM-SHA-512")
    credentials = SASL.faust_credentials()
    assert (credentials.username, credentials.password) == ("pulse", "secret")


def test_a_consumer_commits_only_what_it_is_told_to() -> None:
    assert consumer_config(Settings())["enable_auto_commit"] is False


def test_an_authority_that_is_no_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(Misconfigured, match=r"kafka\.ca_file"):
        consumer_config(Settings(kafka=KafkaSettings(security_protocol="SSL", ca_file=tmp_path / "ca.pem")))


@pytest.mark.parametrize(
    ("code", "kind", "ours"),
    [
        (KafkaError._TRANSPORT, Transient, TransientCode.BROKER_AWAY),
        (KafkaError._TIMED_OUT, Transient, TransientCode.BROKER_AWAY),
        (KafkaError._ALL_BROKERS_DOWN, Transient, TransientCode.BROKER_AWAY),
        (KafkaError._AUTHENTICATION, Misconfigured, MisconfiguredCode.CREDENTIAL),
        (KafkaError.SASL_AUTHENTICATION_FAILED, Misconfigured, MisconfiguredCode.CREDENTIAL),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Misconfigured, MisconfiguredCode.PERMISSION),
    ],
)
def test_a_failure_of_the_brokers_says_what_to_do_next(code: int, kind: type[Exception], ours: str) -> None:
    sorted_failure = kafka._sorted(KafkaException(KafkaError(code)), Settings())
    assert isinstance(sorted_failure, kind)
    assert getattr(sorted_failure, "code", "") == ours
    assert "127.0.0.1:9092" in str(sorted_failure)


def test_a_failure_nobody_knows_stays_a_bug() -> None:
    failure = KafkaException(KafkaError(KafkaError.INVALID_CONFIG))
    assert kafka._sorted(failure, Settings()) is failure


@pytest.mark.parametrize("call", [kafka.ensure_topics, lambda settings: kafka.topic_ids(settings, ["x"])])
def test_brokers_that_do_not_answer_are_transient(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[Settings], Any]
) -> None:
    monkeypatch.setattr(kafka, "ADMIN_TIMEOUT_S", 0.5)
    with pytest.raises(Transient) as away:
        call(Settings(kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1")))
    assert away.value.code == TransientCode.BROKER_AWAY
