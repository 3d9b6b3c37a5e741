"""Questions to a broker that has only just started are asked again; every other refusal is passed on."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors import lag


class Broker:
    """Answers with these error codes first, one a question, then with offset 7 everywhere."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.asked = 0

    def _answer(self, value: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        if self.codes:
            future.set_exception(KafkaException(KafkaError(self.codes[0])))
        else:
            future.set_result(value)
        return future

    def list_offsets(self, wanted: dict[TopicPartition, Any], **_: Any) -> dict[TopicPartition, "Future[Any]"]:
        self.asked += 1
        answers = {place: self._answer(SimpleNamespace(offset=7)) for place in wanted}
        del self.codes[:1]
        return answers

    def describe_consumer_groups(self, groups: list[str], **_: Any) -> dict[str, "Future[Any]"]:
        self.asked += 1
        answer = self._answer(SimpleNamespace())
        del self.codes[:1]
        return {groups[0]: answer}

    def list_consumer_group_offsets(self, request: list[Any], **_: Any) -> dict[str, "Future[Any]"]:
        self.asked += 1
        assert not self.codes, "a broker that is not ready must not be asked this: librdkafka would end the process"
        places = [TopicPartition(tp.topic, tp.partition, 5 - 6 * tp.partition) for tp in request[0].topic_partitions]
        answer = self._answer(SimpleNamespace(topic_partitions=places))
        del self.codes[:1]
        return {request[0].group_id: answer}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "PAUSE_S", 0.0)


@pytest.mark.parametrize("code", sorted(lag.BROKER_STARTS))
def test_a_broker_that_has_just_started_is_asked_again(code: int) -> None:
    broker = Broker(code, code)
    assert lag.end_offsets(cast(AdminClient, broker), ["t"], 2) == {("t", 0): 7, ("t", 1): 7}
    assert broker.asked == 3


def test_any_other_refusal_is_passed_on_at_once() -> None:
    broker = Broker(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(KafkaException):
        lag.start_offsets(cast(AdminClient, broker), ["t"], 1)
    assert broker.asked == 1


def test_a_broker_that_never_gets_ready_is_given_up_in_the_end() -> None:
    broker = Broker(*[KafkaError.UNKNOWN_LEADER_EPOCH] * (lag.ATTEMPTS + 1))
    with pytest.raises(KafkaException):
        lag.end_offsets(cast(AdminClient, broker), ["t"], 1)
    assert broker.asked == lag.ATTEMPTS


def test_lag_counts_from_the_committed_offset_and_from_zero_where_there_is_none() -> None:
    broker = Broker(KafkaError.NOT_COORDINATOR)
    assert lag.group_lag(cast(AdminClient, broker), "g", ["t"], 2) == {("t", 0): 2, ("t", 1): 7}


@pytest.mark.parametrize("code", sorted(lag.BROKER_STARTS))
def test_offsets_of_a_group_are_asked_for_only_once_its_coordinator_is_there(code: int) -> None:
    broker = Broker(code, code)
    assert lag.committed_offsets(cast(AdminClient, broker), "g", ["t"], 2) == {("t", 0): 5, ("t", 1): 0}
    assert broker.asked == 4
