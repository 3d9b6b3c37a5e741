"""The private methods that `agents/transport.py` builds on, in the pinned packages: each is there as we know it.

Where a fault can be shown without a broker, one test shows it in the stock consumer and mended in ours. When a
newer version fails here, read what has changed: the fault may be gone, and our method with it.
"""

import asyncio
import inspect
import time
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faust
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from faust.transport import consumer as base
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from agents import transport
from agents.transport import CoalescingApp, CoalescingConsumer, Run, coalesce
from connectors.patience import be_patient

ROOT = Path(__file__).parents[2]
TP0 = TP("t", 0)
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
    "Consumer._add_gap": (base.Consumer._add_gap, ["self", "tp", "offset_from", "offset_to"]),
    "Consumer._get_active_partitions": (base.Consumer._get_active_partitions, ["self"]),
    "Consumer._is_changelog_tp": (base.Consumer._is_changelog_tp, ["self", "tp"]),
    "Consumer._to_message": (driver.Consumer._to_message, ["self", "tp", "record"]),
    "Consumer.wait_empty": (base.Consumer.wait_empty, ["self"]),
    "Consumer.stop_flow": (base.Consumer.stop_flow, ["self"]),
    "Consumer.highwater": (base.ThreadDelegateConsumer.highwater, ["self", "tp"]),
    "Thread.seek_to_beginning": (driver.AIOKafkaConsumerThread.seek_to_beginning, ["self", "partitions"]),
    "App._new_transport": (faust.App._new_transport, ["self"]),
    "PartitionRecords._unpack_records": (transport._unpack_one_by_one, ["self"]),
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
    ours = {name for name, value in vars(CoalescingConsumer).items() if inspect.isfunction(value)}
    assert ours <= {name.partition(".")[2] for name in SIGNATURES}
    assert all(hasattr(driver.Consumer, name) for name in ours)


def stock() -> Any:
    """A stock consumer that is not connected."""
    return _consumer(faust.App)


def ours() -> Any:
    return _consumer(CoalescingApp)


def _consumer(app_class: type[Any]) -> Any:
    app = app_class(
        f"contract-{app_class.__name__}", broker="kafka://127.0.0.1:1", store="memory://", web_enabled=False
    )
    made = app.transport.create_consumer(
        callback=_nothing, on_partitions_revoked=_nothing, on_partitions_assigned=_nothing
    )
    made._thread = _Thread()
    made.flow_active = True
    app.topics.acks_enabled_for = lambda _topic: True
    return made


async def _nothing(*_: Any, **__: Any) -> None:
    return None


class _Thread:
    """In the place of the thread that holds the real consumer."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.rewound: list[TopicPartition] = []
        self.committed: dict[TP, int | None] = {}

    async def getmany(self, active: Any, timeout: float) -> dict[TP, list[Any]]:
        self.asked.append(active)
        return {}

    async def seek_to_committed(self) -> dict[TP, int | None]:
        return self.committed

    async def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        self.rewound.extend(partitions)

    async def commit(self, offsets: dict[TP, int]) -> bool:
        self.committed.update(offsets)
        return True

    def assignment(self) -> set[TP]:
        return {TP0}

    def highwater(self, tp: TP) -> int:
        return 100


def test_our_app_makes_our_consumer() -> None:
    app = CoalescingApp("contract", broker="kafka://127.0.0.1:1")
    assert app.transport.Consumer is CoalescingConsumer


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


# -- fault 2: a gap counts the delivered offset itself ------------------------------------------------------------


async def gap(consumer: Any) -> list[tuple[int, int]]:
    """Offsets 0 to 4 are not there; 5 was delivered, as Faust's conductor tells it."""
    await consumer._add_gap(TP0, 0, 5)
    return [(interval.begin, interval.end) for interval in consumer._gap[TP0]]


async def test_a_gap_ends_in_front_of_what_was_delivered() -> None:
    assert await gap(stock()) == [(0, 6)]  # the end is not in it: 5 would be taken for missing
    assert await gap(ours()) == [(0, 5)]


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


# -- fault 6, of aiokafka's producer: it looks for absent brokers without a rest --------------------------------------


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


# -- whole batches -----------------------------------------------------------------------------------------------


@pytest.fixture
def coalesced() -> Iterator[None]:
    before = set(transport.COALESCED)
    coalesce({"t"})
    yield
    transport.COALESCED.clear()
    transport.COALESCED.update(before)
    fetcher.PartitionRecords._unpack_records = transport._unpack_one_by_one


def wire(*batches: list[int]) -> bytes:
    """Record batches of version 2 as a broker sends them; each a list of offsets."""
    found = b""
    for offsets in batches:
        builder = DefaultRecordBatchBuilder(
            magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
            batch_size=1 << 20,
        )  # fmt: skip
        for offset in offsets:
            builder.append(offset - offsets[0], timestamp=1_000 + offset, key=b"k", value=b"v%d" % offset, headers=[])
        batch = bytearray(builder.build())
        batch[:8] = offsets[0].to_bytes(8, "big")  # the base offset is not in the checksum
        found += bytes(batch)
    return found


def unpacked(topic: str, data: bytes, *, fetch_offset: int = 0) -> tuple[list[Any], int]:
    records = fetcher.PartitionRecords(
        TopicPartition(topic, 0), MemoryRecords(data), [], fetch_offset, None, None, True, fetcher.READ_UNCOMMITTED
    )
    return list(records), records.next_fetch_offset


def test_a_coalesced_topic_comes_as_one_run_a_wire_batch(coalesced: None) -> None:
    runs, position = unpacked("t", wire([0, 1, 2], [3, 4]))
    assert [[record.value for record in run.records] for run in runs] == [[b"v0", b"v1", b"v2"], [b"v3", b"v4"]]
    assert [(run.next_offset, run.timestamp) for run in runs] == [(3, 1002), (5, 1004)]
    assert position == 5


def test_a_fetch_that_begins_inside_a_batch_gives_only_what_follows(coalesced: None) -> None:
    (run,), position = unpacked("t", wire([0, 1, 2]), fetch_offset=2)
    assert ([record.offset for record in run.records], position) == ([2], 3)


def test_other_topics_come_record_by_record(coalesced: None) -> None:
    records, position = unpacked("other", wire([0, 1]))
    assert ([record.offset for record in records], position) == ([0, 1], 2)
    assert not any(isinstance(record, Run) for record in records)


def test_a_batch_that_was_damaged_on_the_way_is_refused(coalesced: None) -> None:
    data = bytearray(wire([0, 1]))
    data[-1] ^= 0xFF
    with pytest.raises(fetcher.Errors.CorruptRecordException):
        unpacked("t", bytes(data))


async def test_the_runs_of_a_partition_become_one_message_whose_offset_is_the_last_one(coalesced: None) -> None:
    runs, _ = unpacked("t", wire([0, 1, 2], [5, 6]))
    consumer = await fetching({TP0: runs})
    ((tp, message),) = [pair async for pair in consumer.getmany(1.0)]
    assert (tp, message.offset) == (TP0, 6)
    assert [record.offset for record in message.value] == [0, 1, 2, 5, 6]


async def test_a_message_holds_a_bounded_number_of_records(coalesced: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_RECORDS", 2)
    runs, _ = unpacked("t", wire([0, 1, 2], [3], [4, 5]))
    consumer = await fetching({TP0: runs})
    found = [message async for _, message in consumer.getmany(1.0)]
    assert [(message.offset, len(message.value)) for message in found] == [(2, 3), (5, 3)]


async def test_nothing_is_delivered_of_a_generation_that_is_over(coalesced: None) -> None:
    runs, _ = unpacked("t", wire([0], [1]))
    consumer = await fetching({TP0: runs, TP("t", 1): runs})
    delivered = []
    async for tp, _ in consumer.getmany(1.0):
        delivered.append(tp)
        consumer.app.consumer_generation_id += 1
    assert delivered == [TP0]


async def fetching(records: dict[TP, list[Any]]) -> Any:
    consumer = ours()
    consumer._active_partitions = set(records)

    async def getmany(_active: Any, _timeout: float) -> dict[TP, list[Any]]:
        return records

    consumer._thread.getmany = getmany
    return consumer
