"""A worker whose broker is away says so in its health, and once in its log."""

import asyncio
from typing import Any

import pytest
import structlog
from aiokafka.errors import KafkaConnectionError

from agents import broker_watch
from agents.broker_watch import CHECK, watch_broker
from connectors import telemetry


class Producer:
    """Its client answers as `answers` says, one after the other, the last one for ever."""

    def __init__(self, *answers: Exception | float | None) -> None:
        self.client = self
        self.answers = list(answers)
        self.asked = 0

    async def fetch_all_metadata(self) -> None:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            await asyncio.sleep(answer)


async def watched(monkeypatch: pytest.MonkeyPatch, *answers: Exception | float | None) -> tuple[Any, list[str]]:
    """The check in the end, and what was logged."""
    monkeypatch.setattr(broker_watch, "LOOK_S", 0.01)
    monkeypatch.setattr(broker_watch, "ANSWER_S", 0.02)
    producer: Any = Producer(*answers)
    with structlog.testing.capture_logs() as lines:
        watching = asyncio.create_task(watch_broker(producer))
        while producer.asked < len(answers) + 3:
            await asyncio.sleep(0.005)
        check = telemetry.health.checks()[CHECK]
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    telemetry.health.clear()
    return check, [line["event"] for line in lines]


async def test_a_broker_that_answers_is_well_and_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    check, lines = await watched(monkeypatch, None)
    assert (check.ok, lines) == (True, [])


async def test_one_that_refuses_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    check, lines = await watched(monkeypatch, None, KafkaConnectionError("nobody there"))
    assert (check.ok, "nobody there" in check.detail, lines) == (False, True, ["broker away"])


async def test_one_that_is_silent_is_told_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    check, lines = await watched(monkeypatch, None, 60.0)
    assert (check.ok, check.detail, lines) == (False, "no answer within 0.02 s", ["broker away"])


async def test_its_return_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    check, lines = await watched(monkeypatch, KafkaConnectionError(), KafkaConnectionError(), None)
    assert (check.ok, lines) == (True, ["broker away", "broker is back"])
