"""The private methods that `agents/transport.py` builds on, in the pinned packages: each is there as we know it.

Where a fault can be shown without a broker, one test shows it in the stock consumer and mended in ours. When a
newer version fails here, read what has changed: the fault may be gone, and our method with it.
"""

import asyncio
import inspect
import time
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.structs import TopicPartition
from faust.transport import consumer as base
from faust.transport.drivers import aiokafka as driver
from faust.transport.producer import ProducerBuffer
from faust.types import TP

from agents import transport
from agents.transport import CoalescingApp, CoalescingConsumer
from connectors import wire
from connectors.patience import be_patient
from tests.contract.consumers import TP0, ours, stock

ROOT = Path(__file__).parents[2]
PINNED = ("faust-streaming", "aiokafka", "mode-streaming", "cramjam")


def pins() -> dict[str, str]:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return dict(line.split("==") for line in wanted)


@pytest.mark.parametrize("package", PINNED)
def test_the_installed_version_is_the_pinned_one(package: str) -> None:
    assert version(package) == pins()[package]


SIGNATURES: dict[str, tuple[Callable[..., Any], list[str]]] = {
    "Consumer.getmany": (base.Consumer.getmany, ["self", "timeout"]),
    "Consumer._wait_next_records": (base.Consumer._wait_next_records, ["self", "timeout"]),
    "Consumer._getmany": (base.ThreadDelegateConsumer._getmany, ["self", "active_partitions", "timeout"]),
    "Consumer.perform_seek": (base.Consumer.perform_seek, ["self"]),
    "Consumer.on_partitions_revoked": (base.Consumer.on_partitions_revoked, ["self", "revoked"]),
    "Consumer.verify_event_path": (base.Consumer.verify_event_path, ["self", "now", "tp"]),
    "Consumer._new_consumer_thread": (driver.Consumer._new_consumer_thread, ["self"]),
    "Thread._create_worker_consumer": (
        driver.AIOKafkaConsumerThread._create_worker_consumer,
        ["self", "transport"],
    ),
    "Consumer._new_offset": (base.Consumer._new_offset, ["self", "tp"]),
    "Consumer._add_gap": (base.Consumer._add_gap, ["self", "tp", "offset_from", "offset_to"]),
    "Consumer._get_active_partitions": (base.Consumer._get_active_partitions, ["self"]),
    "Consumer._is_changelog_tp": (base.Consumer._is_changelog_tp, ["self", "tp"]),
    "Consumer._to_message": (driver.Consumer._to_message, ["self", "tp", "record"]),
    "Consumer.wait_empty": (base.Consumer.wait_empty, ["self"]),
    "Consumer.stop_flow": (base.Consumer.stop_flow, ["self"]),
    "Consumer._drain_messages": (base.Consumer._drain_messages, ["self", "fetcher"]),
    "Consumer.wait_first": (base.Consumer.wait_first, ["self", "coros", "timeout"]),
    "Thread.getmany": (driver.AIOKafkaConsumerThread.getmany, ["self", "active_partitions", "timeout"]),
    "Thread._fetch_records": (
        driver.AIOKafkaConsumerThread._fetch_records,
        ["self", "consumer", "active_partitions", "timeout", "max_records"],
    ),
    "App.on_init_dependencies": (faust.App.on_init_dependencies, ["self"]),
    "ProducerBuffer.wait_until_ebb": (ProducerBuffer.wait_until_ebb, ["self"]),
    "Schema.compile": (
        faust.Schema.compile,
        ["self", "app", "on_key_decode_error", "on_value_decode_error", "default_propagate"],
    ),
    "Thread.seek_to_beginning": (driver.AIOKafkaConsumerThread.seek_to_beginning, ["self", "partitions"]),
    "App._new_transport": (faust.App._new_transport, ["self"]),
    "PartitionRecords._unpack_records": (wire._one_by_one, ["self"]),
    "PartitionRecords._consume_aborted_up_to": (
        fetcher.PartitionRecords._consume_aborted_up_to,
        ["self", "batch_offset"],
    ),
    "PartitionRecords._contains_abort_marker": (
        fetcher.PartitionRecords._contains_abort_marker,
        ["self", "next_batch"],
    ),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_method_is_there_with_the_signature_we_know(name: str) -> None:
    method, parameters = SIGNATURES[name]
    assert list(inspect.signature(method).parameters) == parameters


def test_every_method_we_override_is_one_of_the_stock_consumer() -> None:
    own = {"_would_wait"}
    ours = {name for name, value in vars(CoalescingConsumer).items() if inspect.isfunction(value)} - own
    assert ours <= {name.partition(".")[2] for name in SIGNATURES}
    assert all(hasattr(driver.Consumer, name) for name in ours)
    assert not any(hasattr(driver.Consumer, name) for name in own)


def test_our_app_makes_our_consumer() -> None:
    app = CoalescingApp("contract", broker="kafka://127.0.0.1:1")
    assert app.transport.Consumer is CoalescingConsumer


async def test_our_thread_lets_the_broker_gather_before_it_answers() -> None:
    made = ours()
    worker = made._new_consumer_thread()._create_worker_consumer(made.app.transport)
    assert (worker._fetch_min_bytes, worker._fetch_max_wait_ms) == (transport.FETCH_MIN_BYTES, transport.FETCH_WAIT_MS)


# -- fault 1: what was acked is forgotten at every rebalance -----------------------------------------------------


async def committed_at_revocation(consumer: Any) -> dict[TP, int | None]:
    message = driver.ConsumerMessage("t", 0, 0, 0.0, 0, (), None, [], None, 0, 0, TP0)
    consumer._unacked_messages.add(message)
    consumer.app.flow_control.resume()
    consumer.ack(message)
    await consumer.on_partitions_revoked({TP0})
    if not consumer._thread.committed:
        await consumer.commit()
    found: dict[TP, int | None] = consumer._thread.committed
    return found


async def test_stock_drops_what_was_acked_when_partitions_are_revoked() -> None:
    assert await committed_at_revocation(stock()) == {}


async def test_ours_commits_it_first() -> None:
    assert await committed_at_revocation(ours()) == {TP0: 1}


# -- fault 2: gaps between messages stall commits, and every offset in them is listed and sorted -------------------


async def deliver(consumer: Any, *, acked: list[int], waiting: list[int]) -> list[Any]:
    """These messages were delivered, each at the last offset of its batch; who holds them keeps them waiting."""
    consumer._committed_offset[TP0] = 1
    last = 0
    messages = []
    for offset in sorted(acked + waiting):
        await consumer._add_gap(TP0, last + 1, offset)
        message = driver.ConsumerMessage("t", 0, offset, 0.0, 0, (), None, [], None, 0, 0, TP0)
        messages.append(message)
        consumer._unacked_messages.add(message)
        last = offset
    for message in messages:
        if message.offset in acked:
            consumer.ack(message)
    return messages


async def test_a_message_stands_for_the_offsets_before_it() -> None:
    consumer = ours()
    _held = await deliver(consumer, acked=[5, 9], waiting=[])
    assert consumer._new_offset(TP0) == 10


async def test_nothing_behind_a_message_that_waits_is_committed_until_its_turn_comes() -> None:
    consumer = ours()
    held = await deliver(consumer, acked=[5, 9, 20], waiting=[12])
    assert consumer._new_offset(TP0) == 10
    assert consumer._new_offset(TP0) is None
    consumer.ack(held[2])
    assert consumer._new_offset(TP0) == 21
    assert consumer._acked[TP0] == []
    assert consumer._acked_index[TP0] == set()


# -- fault 3: the live set of active partitions; emptied by a pause it asks for every partition ---------------------


async def test_a_pause_during_a_fetch_empties_the_set_stock_has_handed_over() -> None:
    consumer = stock()
    live = {TP0}
    await consumer._getmany(live, 1.0)
    live.clear()
    assert consumer._thread.asked == [set()]


async def test_ours_hands_over_a_copy_and_asks_for_nothing_when_nothing_is_active() -> None:
    consumer = ours()
    live = {TP0}
    await consumer._getmany(live, 1.0)
    live.clear()
    assert consumer._thread.asked == [frozenset({TP0})]
    assert await consumer._getmany(set(), 1.0) == {}
    assert len(consumer._thread.asked) == 1


# -- fault 4: a partition without a committed offset is not rewound --------------------------------------------------


async def test_only_ours_rewinds_a_partition_that_has_no_committed_offset() -> None:
    for consumer, rewound in ((stock(), []), (ours(), [TopicPartition("t", 0)])):
        consumer._read_offset[TP0] = 7  # fetched already, when the flow was stopped
        await consumer.perform_seek()
        assert consumer._thread.rewound == rewound
        assert consumer._read_offset[TP0] == (7 if not rewound else None)


async def test_a_partition_with_a_committed_offset_stays_where_that_is() -> None:
    consumer = ours()
    consumer._thread.committed = {TP0: 5}
    await consumer.perform_seek()
    assert consumer._thread.rewound == []


# -- fault 5: a second of sleep when back-pressure has paused everything ---------------------------------------------


async def wait_s(consumer: Any) -> float:
    consumer._active_partitions = set()
    consumer._buffered_partitions = {TP0}
    started = time.monotonic()
    await asyncio.wait_for(consumer._wait_next_records(1.0), 5)
    return time.monotonic() - started


async def test_only_stock_sleeps_a_second_when_every_partition_is_paused() -> None:
    assert await wait_s(stock()) > 0.9
    assert await wait_s(ours()) < 0.5


# -- fault 6: the livelock detector fails on a partition without a position -------------------------------------------


def detecting() -> Any:
    """What stock's detector looks at just after a rebalance: a partition that is assigned and was not fetched yet."""
    subscriptions = SubscriptionState()
    subscriptions.subscribe({"t"})
    subscriptions.assign_from_subscribed([TopicPartition("t", 0)])
    fetching_it = SimpleNamespace(_fetcher=SimpleNamespace(_subscriptions=subscriptions))
    app = SimpleNamespace(monitor=object(), topics=SimpleNamespace(acks_enabled_for=lambda _topic: True))
    return SimpleNamespace(
        consumer=SimpleNamespace(app=app),
        time_started=0.0,
        tp_stream_timeout_secs=300.0,
        _ensure_consumer=lambda: fetching_it,
        _verify_aiokafka_event_path=lambda _now, _tp: False,
    )


async def test_stock_dies_of_a_partition_that_has_no_position_yet() -> None:
    with pytest.raises(AssertionError):
        driver.AIOKafkaConsumerThread.verify_event_path(detecting(), 1.0, TP0)


async def test_ours_does_not_look() -> None:
    consumer = ours()
    consumer._thread.verify_event_path = lambda *_: pytest.fail("asked")
    await consumer.verify_all_partitions_active()
    assert "self.verify_event_path(" in inspect.getsource(base.Consumer.verify_all_partitions_active)


# -- fault 7, of aiokafka's producer: it looks for absent brokers without a rest --------------------------------------


def test_the_look_for_brokers_is_the_method_we_know_and_every_look_goes_through_it() -> None:
    assert list(inspect.signature(AIOKafkaClient._metadata_update).parameters) == ["self", "cluster_metadata", "topics"]
    assert "self._metadata_update(" in inspect.getsource(AIOKafkaClient._md_synchronizer)


async def looks(*, patient: bool, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often a sender that has something to write looks for its brokers in half a second."""
    monkeypatch.setattr("connectors.patience.REST_S", 0.1)
    client, count = AIOKafkaClient(bootstrap_servers="127.0.0.1:1"), 0

    async def nobody(*_: Any) -> bool:
        nonlocal count
        count += 1
        return False

    monkeypatch.setattr(client, "_metadata_update", nobody)
    if patient:
        be_patient(client)
    synchronizer = asyncio.create_task(client._md_synchronizer())
    client._md_update_waiter = asyncio.get_running_loop().create_future()
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        await client.force_metadata_update()
    synchronizer.cancel()
    await asyncio.gather(synchronizer, return_exceptions=True)
    return count


async def test_only_ours_rests_between_two_looks_for_absent_brokers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await looks(patient=False, monkeypatch=monkeypatch) > 100
    assert await looks(patient=True, monkeypatch=monkeypatch) < 10
