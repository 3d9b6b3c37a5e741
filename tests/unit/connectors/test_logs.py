"""A library that says the same several times a second is heard once a minute; everybody else is heard always."""

import logging
from collections.abc import Iterator

import pytest

from connectors import logs


@pytest.fixture
def heard(capsys: pytest.CaptureFixture[str]) -> Iterator[logging.Handler]:
    made = logs.handler(json=True)
    for name in ("aiokafka.client", "another"):
        logger = logging.getLogger(name)
        logger.addHandler(made)
        logger.propagate = False
        logger.setLevel("INFO")
    yield made
    for name in ("aiokafka.client", "another"):
        logging.getLogger(name).removeHandler(made)
        logging.getLogger(name).propagate = True


def lines(name: str, capsys: pytest.CaptureFixture[str], *messages: tuple[str, int]) -> int:
    for message, number in messages:
        logging.getLogger(name).error(message, number)
    return len(capsys.readouterr().err.splitlines())


def test_the_same_message_of_a_chatty_library_comes_once(
    heard: logging.Handler, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lines("aiokafka.client", capsys, *(("no node %d", number) for number in range(50))) == 1
    assert lines("aiokafka.client", capsys, ("no node %d", 1), ("another trouble %d", 2)) == 1


def test_it_comes_again_after_a_while(
    heard: logging.Handler, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lines("aiokafka.client", capsys, ("no node %d", 1)) == 1
    monkeypatch.setattr(logs, "SELDOM_S", 0.0)
    assert lines("aiokafka.client", capsys, ("no node %d", 1)) == 1


def test_others_are_heard_every_time(heard: logging.Handler, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines("another", capsys, *(("trouble %d", number) for number in range(5))) == 5
