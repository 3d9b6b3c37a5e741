"""Many records as few batches: all of them, in order, and acknowledged before it returns."""

from typing import Any

import pytest

from agents.batches import Batches, send_batches
from tests.unit.agents.producer import FakeProducer


def pairs(count: int) -> list[tuple[bytes | None, bytes | None]]:
    return [(b"k%d" % number, b"v" * 10) for number in range(count)]


async def send(producer: Any, batches: Batches) -> None:
    await send_batches(producer, batches)


async def test_records_that_do_not_fit_one_batch_go_on_in_the_next_in_order() -> None:
    producer = FakeProducer(most_bytes=30)
    await send(producer, {("t", 1): pairs(5)})
    assert producer.records("t", 1) == pairs(5)
    assert [batch.record_count() for batch in producer.written["t", 1]] == [2, 2, 1]


async def test_a_record_larger_than_a_batch_goes_alone() -> None:
    producer = FakeProducer(most_bytes=5)
    await send(producer, {("t", 0): pairs(3)})
    assert [batch.record_count() for batch in producer.written["t", 0]] == [1, 1, 1]


async def test_nothing_to_write_writes_nothing() -> None:
    producer = FakeProducer()
    await send(producer, {("t", 0): []})
    assert producer.steps == []


async def test_a_tombstone_is_written_as_one() -> None:
    producer = FakeProducer()
    await send(producer, {("t", 0): [(b"gone", None)]})
    assert producer.records("t") == [(b"gone", None)]


async def test_it_returns_when_the_broker_has_everything() -> None:
    producer = FakeProducer()
    await send(producer, {("a", 0): pairs(1), ("b", 0): pairs(1)})
    assert producer.steps[:2] == [("sent", "a"), ("sent", "b")]
    assert sorted(producer.steps[2:]) == [("acked", "a"), ("acked", "b")]


async def test_what_the_broker_refuses_is_raised() -> None:
    with pytest.raises(OSError, match="said no"):
        await send(FakeProducer(fail=("b",)), {("a", 0): pairs(1), ("b", 0): pairs(1)})
