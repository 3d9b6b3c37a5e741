"""What the brokers' failures become."""

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from connectors import kafka_admin
from connectors.settings import KafkaSettings, Settings
from pipeline.codes import MisconfiguredCode, TransientCode
from pipeline.errors import Misconfigured, Transient


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
    sorted_failure = kafka_admin._sorted(KafkaException(KafkaError(code)), Settings())
    assert isinstance(sorted_failure, kind)
    assert getattr(sorted_failure, "code", "") == ours
    assert "127.0.0.1:9092" in str(sorted_failure)


def test_a_failure_nobody_knows_stays_a_bug() -> None:
    failure = KafkaException(KafkaError(KafkaError.INVALID_CONFIG))
    assert kafka_admin._sorted(failure, Settings()) is failure


@pytest.mark.parametrize("call", [kafka_admin.ensure_topics, lambda settings: kafka_admin.topic_ids(settings, ["x"])])
def test_brokers_that_do_not_answer_are_transient(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[Settings], Any]
) -> None:
    monkeypatch.setattr(kafka_admin, "ADMIN_TIMEOUT_S", 0.5)
    with pytest.raises(Transient) as away:
        call(Settings(kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1")))
    assert away.value.code == TransientCode.BROKER_AWAY
