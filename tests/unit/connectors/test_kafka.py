"""Kafka clients from settings: partitions and credentials."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from connectors.kafka import consumer_config, faust_credentials, partition_of
from connectors.settings import KafkaSettings, Settings
from pipeline.errors import Misconfigured

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
