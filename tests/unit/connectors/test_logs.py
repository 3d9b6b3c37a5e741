"""A library that says the same several times a second is heard once a minute; everybody else is heard always."""

import logging

import pytest

from connectors import logs


def heard(handler: logging.Handler, name: str, *messages: tuple[str, int]) -> int:
    """How many of these the handler would write."""
    records = [logging.LogRecord(name, logging.ERROR, "", 0, message, (number,), None) for message, number in messages]
    return sum(1 for record in records if handler.filter(record))


def test_the_same_message_of_a_chatty_library_comes_once_whatever_it_is_about() -> None:
    handler = logs.handler(json=True)
    assert heard(handler, "aiokafka.client", *(("no node %d", number) for number in range(50))) == 1
    assert heard(handler, "aiokafka.client", ("no node %d", 1), ("another trouble %d", 2)) == 1
    assert heard(handler, "aiokafka.conn", ("no node %d", 1)) == 1


def test_it_comes_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = logs.handler(json=False)
    assert heard(handler, "aiokafka.client", ("no node %d", 1)) == 1
    monkeypatch.setattr(logs, "SELDOM_S", 0.0)
    assert heard(handler, "aiokafka.client", ("no node %d", 1)) == 1


def test_others_are_heard_every_time() -> None:
    handler = logs.handler(json=True)
    assert heard(handler, "aiokafkaesque", *(("trouble %d", number) for number in range(5))) == 5
