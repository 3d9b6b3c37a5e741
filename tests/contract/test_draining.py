"""How messages get from the consumer's thread to the streams: as in stock Faust, but without tasks for each."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from faust.transport.drivers import aiokafka as driver

from agents.transport import CoalescingApp, PatientThread, UndecodedTopic
from tests.contract.consumers import TP0, ours, stock


def message(offset: int, records: Sequence[Any] = ()) -> Any:
    return driver.ConsumerMessage("t", 0, offset, 0.0, 0, (), None, records, None, 0, 0, TP0)


class Fetcher:
    """Stops after one look at what there is."""

    def __init__(self) -> None:
        self.should_stop = False
        self._stopped = SimpleNamespace(is_set=lambda: self.should_stop)


async def drained(consumer: Any, offsets: list[int], callback: Callable[[Any], Any]) -> list[int]:
    """The offsets handed to `callback`, of a consumer whose flow is on."""
    fetcher, handed = Fetcher(), []

    async def getmany(timeout: float) -> AsyncIterator[Any]:
        for offset in offsets:
            yield TP0, message(offset)
        fetcher.should_stop = True

    async def note(one: Any) -> None:
        handed.append(one.offset)
        await callback(one)

    consumer.getmany, consumer.callback = getmany, note
    consumer.app.flow_control.resume()
    consumer.suspend_flow.clear()
    await asyncio.wait_for(consumer._drain_messages(fetcher), 5)
    return handed


async def at_once(_: Any) -> None:
    return


async def for_ever(_: Any) -> None:
    await asyncio.Event().wait()


async def tasks_made(consumer: Any) -> int:
    made, loop = 0, asyncio.get_running_loop()

    def count(loop: Any, work: Any, **options: Any) -> Any:
        nonlocal made
        made += 1
        return asyncio.Task(work, loop=loop, **options)

    loop.set_task_factory(count)
    await drained(consumer, list(range(100)), at_once)
    loop.set_task_factory(None)
    return made


async def test_only_stock_makes_tasks_for_every_message() -> None:
    assert await tasks_made(stock()) > 400
    assert await tasks_made(ours()) < 10


@pytest.mark.parametrize("make", [stock, ours])
async def test_messages_come_in_order_and_what_was_read_already_does_not(make: Any) -> None:
    consumer = make()
    consumer._read_offset[TP0] = 4
    assert await drained(consumer, [2, 3, 4, 7], at_once) == [4, 7]
    assert consumer._read_offset[TP0] == 7


def fill(consumer: Any) -> None:
    """The stream of this partition can take no more."""
    consumer.app.topics._tp_index[TP0] = [SimpleNamespace(queue=SimpleNamespace(full=lambda: True))]


@pytest.mark.parametrize("make", [stock, ours])
async def test_a_rebalance_breaks_off_a_message_that_waits_for_its_stream(make: Any) -> None:
    consumer = make()
    fill(consumer)
    asyncio.get_running_loop().call_later(0.05, consumer.suspend_flow.set)
    assert await drained(consumer, [1], for_ever) == [1]


async def test_a_message_waits_while_the_flow_is_off() -> None:
    consumer = ours()
    assert consumer._would_wait(TP0)  # the flow begins suspended
    consumer.app.flow_control.resume()
    assert not consumer._would_wait(TP0)
    fill(consumer)
    assert consumer._would_wait(TP0)


@pytest.mark.parametrize("stopping", [True, False])
async def test_a_stopped_consumer_is_an_error_unless_the_worker_stops_too(
    stopping: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = ours()
    monkeypatch.setattr(type(consumer.app), "should_stop", stopping)

    async def stopped(_: Any) -> None:
        raise driver.ConsumerStoppedError

    if stopping:
        assert await drained(consumer, [1], stopped) == [1]
        return
    with pytest.raises(driver.ConsumerStoppedError):
        await drained(consumer, [1], stopped)


# -- what an agent gets ------------------------------------------------------------------------------------------


async def test_what_comes_is_what_an_agent_gets() -> None:
    app = CoalescingApp("contract", broker="kafka://127.0.0.1:1")
    one = message(5, ["records"])
    stock_event = await app.topic("t", key_serializer="raw", value_serializer="raw").decode(one)
    event = await app.topic("t", schema=UndecodedTopic()).decode(one, propagate=True)
    assert vars(event) == vars(stock_event)
    assert event.value is one.value


def test_nobody_waits_for_a_producer_or_a_monitor_that_is_not_used() -> None:
    app = CoalescingApp("contract", broker="kafka://127.0.0.1:1")
    app.on_init_dependencies()
    assert app.monitor not in set(app.sensors)
    assert asyncio.run(app.producer.buffer.wait_until_ebb()) is None


# -- the hand-over between the threads ----------------------------------------------------------------------------


@pytest.fixture
async def thread() -> AsyncIterator[Any]:
    consumer = ours()
    made = PatientThread(consumer, loop=asyncio.get_running_loop(), beacon=consumer.beacon)
    made._ensure_consumer = lambda: "the consumer"

    async def nothing() -> None:
        return

    made.on_start = made.on_thread_stop = nothing
    await made.start()
    yield made
    await made.stop()


async def test_what_was_fetched_comes_over_from_the_thread(thread: Any) -> None:
    asked: list[Any] = []

    async def fetch(*arguments: Any, **options: Any) -> dict[str, int]:
        asked.append((arguments, options, asyncio.get_running_loop()))
        return {"t": 1}

    thread._fetch_records = fetch
    assert await thread.getmany(frozenset({TP0}), 1.0) == {"t": 1}
    assert asked == [(("the consumer", frozenset({TP0})), {"timeout": 1.0}, thread.thread_loop)]


async def test_an_error_of_the_thread_comes_over_as_it_is(thread: Any) -> None:
    async def fetch(*_: Any, **__: Any) -> None:
        raise driver.ConsumerStoppedError

    thread._fetch_records = fetch
    with pytest.raises(driver.ConsumerStoppedError):
        await thread.getmany(None, 1.0)


async def test_who_no_longer_waits_is_not_told(thread: Any) -> None:
    go_on = asyncio.Event()

    async def fetch(*_: Any, **__: Any) -> dict[str, int]:
        await asyncio.sleep(0.05)
        thread.parent_loop.call_soon_threadsafe(go_on.set)
        return {}

    thread._fetch_records = fetch
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(thread.getmany(None, 1.0), 0.01)
    await asyncio.wait_for(go_on.wait(), 5)
    await asyncio.sleep(0.01)  # what comes over now finds nobody, and nothing breaks
    assert await asyncio.wait_for(thread.getmany(None, 1.0), 5) == {}
