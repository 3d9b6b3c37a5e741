"""The private interface that `agents/record_batches.py` stands in for, in the pinned aiokafka: it is as we know it.

When a newer version fails here, read what its accumulator asks of a builder and answer the same in `WrittenBatch`.
"""

import asyncio
import inspect
import re
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.producer import message_accumulator, producer, sender
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.structs import TopicPartition

from agents import record_batches
from agents.batches import hand_over
from agents.record_batches import Form, WrittenBatch, form_of, written
from tests.wire_writing import Pair, write_records

TP0 = TopicPartition("t", 0)
CODECS = {None: 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
PAIRS: list[Pair] = [(b"k%d" % number, b"v" * 40) for number in range(10)]
ANY_PAIRS: list[Pair] = [(None, b""), (b"", None), ("ä".encode(), b"v" * 500), *PAIRS, *PAIRS]
FORM = Form(200, 3)


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_batches, "native", SimpleNamespace(write_records=write_records))  # in C where built


@pytest.fixture
async def made() -> AsyncIterator[Any]:
    """Makes producers that are never started."""
    producers: list[Any] = []

    def make(**options: Any) -> Any:
        producers.append(AIOKafkaProducer(bootstrap_servers="127.0.0.1:1", **options))
        return producers[-1]

    yield make
    for one in producers:
        await one.stop()


def methods(of: type) -> dict[str, list[str]]:
    found = {name: value for name, value in vars(of).items() if inspect.isfunction(value)}
    return {name: list(inspect.signature(value).parameters) for name, value in found.items()}


def test_the_builder_has_the_methods_we_know() -> None:
    stock, ours = methods(BatchBuilder), methods(WrittenBatch)
    assert set(stock) - set(ours) == {"_serialize", "append", "close", "record_count", "closed"}  # as they are
    assert set(ours) == {"__init__", "_set_producer_state", "size", "_build"}
    assert [stock[name] for name in ours if name != "__init__"] == [ours[name] for name in ours if name != "__init__"]


def test_nothing_else_of_a_builder_is_asked_for() -> None:
    asked: set[str] = set()
    for module in (message_accumulator, producer, sender):
        text = inspect.getsource(module).replace(inspect.getsource(BatchBuilder), "")
        asked |= set(re.findall(r"\bbuilder\.(\w+)", text)) | set(re.findall(r"\._builder\.(\w+)", text))
    assert asked == {"append", "close", "closed", "record_count", "_set_producer_state", "_build"}


# -- which producers get them --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CODECS)
async def test_the_form_is_that_of_the_builder_the_producer_would_make(made: Any, name: str | None) -> None:
    producer = made(compression_type=name, max_batch_size=1_000)
    form, stock = form_of(producer), producer.create_batch()
    assert form == Form(1_000, CODECS[name])
    for key, value in ANY_PAIRS:
        if stock.append(key=key, value=value, timestamp=None) is None:
            break
    ours = next(written(ANY_PAIRS, form))
    assert 1 < ours.record_count() == stock.record_count() < len(ANY_PAIRS)
    stock, ours = (DefaultRecordBatch(bytes(batch._build())) for batch in (stock, ours))
    assert ours.attributes == stock.attributes
    assert 0 <= ours.first_timestamp - stock.first_timestamp < 60_000  # both are of the machine's clock, in ms
    assert ours.max_timestamp == ours.first_timestamp


async def test_who_wants_more_of_a_batch_gets_the_stock_builder(made: Any) -> None:
    assert form_of(made(enable_idempotence=True)) is not None
    assert form_of(made(transactional_id="x")) is None
    assert form_of(made(key_serializer=str.encode)) is None
    assert form_of(made(value_serializer=str.encode)) is None
    assert form_of(SimpleNamespace()) is None


async def test_without_c_there_is_none(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_batches, "native", None)
    assert form_of(made()) is None


# -- on the way through the producer -------------------------------------------------------------------------------


class Cluster:
    """One broker leads everything."""

    def leader_for_partition(self, _: TopicPartition) -> int:
        return 0


def accumulator(transactions: TransactionManager | None) -> MessageAccumulator:
    return MessageAccumulator(Cluster(), 200, 3, 30, txn_manager=transactions)


def drained(from_: MessageAccumulator) -> Any:
    nodes, _ = from_.drain_by_nodes(ignore_nodes=[])
    return nodes[0][TP0]


def sent(from_: MessageAccumulator) -> Any:
    """The batch that its sender would write now."""
    return from_.drain_by_nodes(ignore_nodes=[])[0][0][TP0]


async def test_a_batch_gets_the_sequence_of_an_idempotent_producer_when_it_is_sent() -> None:
    transactions = TransactionManager(None, 30_000)
    transactions.set_pid_and_epoch(77, 3)
    pending, found = accumulator(transactions), []
    for batch in written(PAIRS, FORM):
        await pending.add_batch(batch, TP0, 1)
        out = sent(pending)
        found.append(DefaultRecordBatch(bytes(out.get_data_buffer())))
        assert found[-1].validate_crc()
        out.done(0, -1)
        await asyncio.sleep(0)
    counts = [batch.last_offset_delta + 1 for batch in found]
    assert len(counts) > 2
    assert sum(counts) == len(PAIRS)
    assert {(batch.producer_id, batch.producer_epoch) for batch in found} == {(77, 3)}
    assert [batch.base_sequence for batch in found] == [sum(counts[:n]) for n in range(len(counts))]


async def test_a_batch_that_is_sent_again_is_the_same_bytes() -> None:
    pending = accumulator(None)
    await pending.add_batch(next(written(PAIRS, FORM)), TP0, 1)
    out = sent(pending)
    first = bytes(out.get_data_buffer())
    pending.reenqueue(out)
    again = sent(pending)
    assert again is out
    assert bytes(again.get_data_buffer()) == first
    out.done(0, -1)


async def test_a_batch_that_waits_takes_no_record_of_others() -> None:
    pending = accumulator(None)
    await pending.add_batch(next(written(PAIRS, FORM)), TP0, 1)
    waiting = pending._batches[TP0][0]
    count = waiting.record_count
    assert waiting.append(b"k", b"v", None) is None
    assert waiting.record_count == count
    assert waiting.remaining_linger() is None
    assert not waiting.is_empty()
    sent(pending).done(0, -1)


async def test_what_is_handed_over_goes_out_in_order_with_the_batches_of_a_real_producer(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = made(max_batch_size=200)
    found: list[Any] = []

    async def send_batch(batch: Any, topic: str, *, partition: int) -> Any:
        assert isinstance(batch, WrittenBatch)
        found.extend((topic, partition, r.key, r.value) for r in DefaultRecordBatch(bytes(batch._build())))
        return asyncio.get_running_loop().create_future()

    monkeypatch.setattr(producer, "send_batch", send_batch)
    acks = await hand_over(producer, {("t", 3): PAIRS, ("u", 0): PAIRS[:1], ("v", 0): []})
    assert len(acks) > 3
    assert found == [("t", 3, *pair) for pair in PAIRS] + [("u", 0, *PAIRS[0])]
