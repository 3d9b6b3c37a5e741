"""What clients of Kafka are given from the settings; and the partition of a key."""

import ssl
from typing import Any

from aiokafka.partitioner import murmur2

from connectors.setting_sections import KafkaSettings
from connectors.settings import Settings
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured


def partition_of(key: bytes, partitions: int) -> int:
    """The partition the Java client, and every producer of ours, gives a record of that key (murmur2)."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def security(kafka: KafkaSettings) -> dict[str, Any]:
    """aiokafka's names; empty for a plain connection."""
    options: dict[str, Any] = {"security_protocol": kafka.security_protocol}
    if kafka.security_protocol.endswith("SSL"):
        options["ssl_context"] = _ssl_context(kafka)
    if kafka.security_protocol.startswith("SASL_"):
        options["sasl_mechanism"] = kafka.sasl_mechanism
        options["sasl_plain_username"] = kafka.sasl_username
        options["sasl_plain_password"] = kafka.sasl_password.get_secret_value()
    return options


def _ssl_context(kafka: KafkaSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if kafka.ca_file is None else str(kafka.ca_file))
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(
            MisconfiguredCode.SETTING, f"kafka.ca_file is {kafka.ca_file}: expected a PEM certificate ({error})."
        ) from None


def faust_credentials(kafka: KafkaSettings) -> Any:
    """What `faust.App(broker_credentials=...)` takes; None for a plain connection."""
    import faust

    if kafka.security_protocol == "PLAINTEXT":
        return None
    context = _ssl_context(kafka) if kafka.security_protocol.endswith("SSL") else None
    if not kafka.security_protocol.startswith("SASL_"):
        return faust.SSLCredentials(context)
    return faust.SASLCredentials(
        username=kafka.sasl_username,
        password=kafka.sasl_password.get_secret_value(),
        ssl_context=context,
        mechanism=kafka.sasl_mechanism,
    )


def consumer_config(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of `AIOKafkaConsumer` every consumer shares; the caller adds group and reset."""
    return {
        "bootstrap_servers": settings.kafka.bootstrap_servers,
        "enable_auto_commit": False,
        "max_partition_fetch_bytes": 1 << 20,  # a larger record still comes, alone
        **security(settings.kafka),
    }


def client_config(settings: Settings) -> dict[str, Any]:
    """Options every client of confluent-kafka shares."""
    kafka = settings.kafka
    options: dict[str, Any] = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "security.protocol": kafka.security_protocol,
        "log_level": 0,  # librdkafka writes to stderr by itself; what goes wrong comes back as an error
    }
    if kafka.ca_file is not None:
        options["ssl.ca.location"] = str(kafka.ca_file)
    if kafka.security_protocol.startswith("SASL_"):
        options["sasl.mechanism"] = str(kafka.sasl_mechanism)
        options["sasl.username"] = kafka.sasl_username
        options["sasl.password"] = kafka.sasl_password.get_secret_value()
    return options
