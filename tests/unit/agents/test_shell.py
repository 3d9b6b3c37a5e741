"""The loop of every stage: the order of its effects, what it does when one fails, and what it does not wait for."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from agents import shell as shell_module
from agents.restore import Held
from agents.shell import EXIT_BUG, EXIT_MISCONFIGURED, Shell
from connectors import telemetry
from connectors.kafka import partition_of
from pipeline.changelog import HEADER, Changelog
from pipeline.copies import SEPARATOR
from pipeline.errors import Misconfigured
from pipeline.state import Taken
from tests.unit.agents.producer import FakeProducer
from tests.unit.agents.shell_parts import CHANGELOG, OUT, SOURCE, STAGE, Counter, Event, held, started


class Died(BaseException):
    """In the place of the end of the process."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


@pytest.fixture(autouse=True)
def dying(monkeypatch: pytest.MonkeyPatch) -> None:
    def die(reason: str, code: int = EXIT_BUG) -> None:
        raise Died(reason, code)

    monkeypatch.setattr(shell_module, "die", die)


async def test_totals_are_acknowledged_before_the_changelog_is_sent_and_that_before_the_records_are_acked() -> None:
    producer = FakeProducer()
    shell = await started(producer)
    await shell.count(SOURCE, Event(producer.steps, 0, 1))
    await shell.flush(SOURCE)
    assert producer.steps == [
        ("sent", OUT),
        ("acked", OUT),
        ("sent", CHANGELOG),
        ("acked", CHANGELOG),
        ("event acked", ""),
    ]
    assert producer.records(OUT) == [(b"k", b"2")]
    assert [key for key, _ in producer.records(CHANGELOG)] == [b"k" + SEPARATOR + b"me", HEADER + SEPARATOR + b"me"]


async def test_every_partition_writes_to_its_own() -> None:
    producer = FakeProducer()
    shell = await started(producer, partitions=2)
    await shell.count(SOURCE, Event(producer.steps, 0, partition=1))
    await shell.flush(SOURCE)
    assert set(producer.written) == {(OUT, 1), (CHANGELOG, 1)}


async def test_an_output_of_a_rekeyed_topic_goes_where_its_key_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell_module, "REKEYED", frozenset({OUT}))
    producer = FakeProducer()
    shell = await started(producer, partitions=2)
    await shell.count(SOURCE, Event(producer.steps, 0, partition=1))
    await shell.flush(SOURCE)
    assert set(producer.written) == {(OUT, partition_of(b"k", 4)), (CHANGELOG, 1)}
    assert partition_of(b"k", 4) != 1


async def test_the_places_of_a_flush_are_passed_in_order() -> None:
    places: list[str] = []
    producer = FakeProducer()
    shell = await started(producer, reach=places.append)
    await shell.count(SOURCE, Event(producer.steps, 0))
    await shell.flush(SOURCE)
    assert places == ["before_flush", "totals_written", "rows_written", "acked"]


async def test_publishing_writes_totals_and_neither_keeps_nor_acks() -> None:
    places: list[str] = []
    producer = FakeProducer()
    shell = await started(producer, reach=places.append)
    await shell.publish(SOURCE)
    assert producer.steps == []
    await shell.count(SOURCE, Event(producer.steps, 0))
    await shell.publish(SOURCE)
    assert producer.steps == [("sent", OUT), ("acked", OUT)]
    assert places == ["published"]


class Early(Counter):
    """Publishes everything at once: a flush has only rows to write."""

    def take(self) -> Taken:
        return replace(super().take(), outputs=[])


async def test_rows_wait_for_what_was_published_before_them_whatever_broker_has_it() -> None:
    producer = FakeProducer()
    producer.answers_s[OUT] = 0.05  # another leader, and a slow one
    shell = await started(producer)
    shell._held[SOURCE, 0] = Held(STAGE, 0, Early(), Changelog(b"me"))
    await shell.count(SOURCE, Event(producer.steps, 0))
    publishing = asyncio.create_task(shell.publish(SOURCE))
    await asyncio.sleep(0.002)
    await shell.flush(SOURCE)
    await publishing
    assert producer.steps.index(("acked", OUT)) < producer.steps.index(("sent", CHANGELOG))


async def test_a_partition_that_is_revoked_during_a_flush_is_not_written_any_more() -> None:
    producer = FakeProducer()
    shell = await started(producer, partitions=2)
    for number in range(2):
        await shell.count(SOURCE, Event(producer.steps, 0, partition=number))
    flush = asyncio.create_task(shell.flush(SOURCE))
    await asyncio.sleep(0)  # the first partition is taken
    del shell._held[SOURCE, 1]
    await flush
    assert set(producer.written) == {(OUT, 0), (CHANGELOG, 0)}
    assert producer.steps.count(("event acked", "")) == 1


async def test_what_a_flush_has_taken_goes_out_before_what_was_counted_after_it() -> None:
    producer = FakeProducer()
    shell = await started(producer, partitions=2)
    await shell.count(SOURCE, Event(producer.steps, 0, partition=0))
    early = asyncio.create_task(shell.publish(SOURCE))  # the flush has to wait until this is out, in partition 0
    await asyncio.sleep(0)
    await shell.count(SOURCE, Event(producer.steps, 0, partition=1))
    flush = asyncio.create_task(shell.flush(SOURCE))
    await asyncio.sleep(0)
    await shell.count(SOURCE, Event(producer.steps, 1, partition=1))
    await shell.publish(SOURCE)
    await asyncio.gather(early, flush)
    values = [value or b"" for _, value in producer.records(OUT, 1)]
    assert values == sorted(values)
    assert values[-1] == b"2"


async def test_publishing_does_not_wait_for_a_flush_that_waits_for_the_broker() -> None:
    producer = FakeProducer()
    shell = await started(producer)
    await shell.count(SOURCE, Event(producer.steps, 0))
    flushing = asyncio.create_task(shell.flush(SOURCE))
    await asyncio.sleep(0)
    await shell.count(SOURCE, Event(producer.steps, 1))
    await shell.publish(SOURCE)
    await flushing
    assert producer.records(OUT) == [(b"k", b"1"), (b"k", b"2")]
    assert producer.steps.count(("event acked", "")) == 1


@pytest.mark.parametrize("topic", [OUT])
async def test_a_total_that_cannot_be_published_ends_the_process(topic: str) -> None:
    producer = FakeProducer(fail=(topic,))
    shell = await started(producer)
    await shell.count(SOURCE, Event(producer.steps, 0))
    with pytest.raises(Died, match="the broker said no"):
        await asyncio.wait_for(shell.keep_publishing(SOURCE, 0.01), 5)


async def test_nothing_new_writes_nothing() -> None:
    producer = FakeProducer()
    await (await started(producer)).flush(SOURCE)
    assert producer.steps == []


@pytest.mark.parametrize("topic", [OUT, CHANGELOG])
async def test_a_write_that_fails_ends_the_process_and_acks_nothing(topic: str) -> None:
    producer = FakeProducer(fail=(topic,))
    shell = await started(producer)
    await shell.count(SOURCE, Event(producer.steps, 0))
    with pytest.raises(Died) as end:
        await asyncio.wait_for(shell.keep_flushing(SOURCE, 0.01), 5)
    assert end.value.code == EXIT_BUG
    assert "the broker said no" in end.value.reason
    assert ("event acked", "") not in producer.steps
    assert ("sent", CHANGELOG) in producer.steps or topic == OUT


async def test_what_comes_in_while_a_flush_is_under_way_waits_for_the_next_one() -> None:
    producer = FakeProducer()
    shell = await started(producer)
    await shell.count(SOURCE, Event(producer.steps, 0))
    flushing = asyncio.create_task(shell.flush(SOURCE))
    await asyncio.sleep(0.002)
    await shell.count(SOURCE, Event(producer.steps, 1))
    await flushing
    assert producer.steps.count(("event acked", "")) == 1
    await shell.flush(SOURCE)
    assert producer.steps.count(("event acked", "")) == 2
    assert producer.records(OUT) == [(b"k", b"1"), (b"k", b"2")]


async def test_two_flushes_of_a_topic_never_run_at_once() -> None:
    producer = FakeProducer()
    shell = await started(producer)
    await shell.count(SOURCE, Event(producer.steps, 0))
    first = asyncio.create_task(shell.flush(SOURCE))
    await asyncio.sleep(0.002)
    await shell.count(SOURCE, Event(producer.steps, 1))
    await asyncio.gather(first, shell.flush(SOURCE))
    one = [("sent", OUT), ("acked", OUT), ("sent", CHANGELOG), ("acked", CHANGELOG), ("event acked", "")]
    assert producer.steps == one * 2


async def test_a_full_state_is_flushed_before_more_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell_module, "MAX_PENDING", 3)
    producer = FakeProducer()
    shell = await started(producer)
    await shell.count(SOURCE, Event(producer.steps, 0, 1, 2))
    assert producer.steps == []
    await shell.count(SOURCE, Event(producer.steps, 3))
    assert producer.steps.count(("event acked", "")) == 2


# -- assignment ------------------------------------------------------------------------------------------------


async def restoring(shell: Shell, monkeypatch: pytest.MonkeyPatch, result: Any, *, current: bool = True) -> None:
    async def restore(*_: Any) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(shell_module, "restore", restore)
    await shell.restore([(SOURCE, 1), ("another topic", 0)], still_current=lambda: current)


async def test_a_restored_assignment_is_held_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    shell, told = await started(FakeProducer(), partitions=0), []
    shell.on_restored = lambda: told.append(True)
    await restoring(shell, monkeypatch, {(SOURCE, 1): held(1)})
    assert set(shell._held) == {(SOURCE, 1)}
    assert told == [True]


async def test_a_restore_that_a_newer_assignment_has_overtaken_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    shell, told = await started(FakeProducer(), partitions=0), []
    shell.on_restored = lambda: told.append(True)
    await restoring(shell, monkeypatch, {(SOURCE, 1): held(1)}, current=False)
    assert (shell._held, told) == ({}, [])


async def test_a_state_that_does_not_belong_here_ends_the_process_for_a_person_to_act(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shell = await started(FakeProducer(), partitions=0)
    with pytest.raises(Died) as end:
        await restoring(shell, monkeypatch, Misconfigured("topic_recreated", "the topic was created again"))
    assert (end.value.code, "created again" in end.value.reason) == (EXIT_MISCONFIGURED, True)


async def test_revoked_partitions_are_written_no_more() -> None:
    producer = FakeProducer()
    shell = await started(producer)
    await shell.count(SOURCE, Event(producer.steps, 0))
    await shell.let_go()
    steps = list(producer.steps)
    await shell.flush(SOURCE)
    assert producer.steps == steps


# -- freezes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frozen_s", "dies"), [(7.9, False), (8.1, True)])
async def test_a_worker_that_was_frozen_for_most_of_its_session_ends(
    frozen_s: float, dies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell, now = await started(FakeProducer(), session_s=10), [100.0]
    monkeypatch.setattr("agents.shell.time.clock_gettime", lambda _: now[0])
    shell.beat()
    now[0] += frozen_s
    if dies:
        with pytest.raises(Died, match="frozen"):
            shell.beat()
    else:
        shell.beat()


async def test_a_woken_worker_ends_before_it_writes_what_it_held(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = FakeProducer()
    shell, now = await started(producer, session_s=10), [100.0]
    monkeypatch.setattr("agents.shell.time.clock_gettime", lambda _: now[0])
    shell.beat()
    await shell.count(SOURCE, Event(producer.steps, 0))
    now[0] += 60
    with pytest.raises(Died):
        await shell.flush(SOURCE)
    assert producer.steps == []


# -- how it is -------------------------------------------------------------------------------------------------


async def test_what_the_state_counted_is_told_with_its_stage() -> None:
    before = telemetry.balance("aggregate")
    producer = FakeProducer()
    shell = await started(producer)
    await shell.count(SOURCE, Event(producer.steps, 0))
    await shell.flush(SOURCE)
    after = telemetry.balance("aggregate")
    assert (after.received - before.received, after.emitted - before.emitted) == (1, 1)


async def test_lag_is_told_in_records_and_in_time() -> None:
    producer = FakeProducer()
    shell = await started(producer)
    await shell.count(SOURCE, Event(producer.steps, 0, 1))
    await shell.flush(SOURCE)
    shell.report_lag(lambda *_: 12, now_ms=3_500)
    found = {sample.name: sample.value for family in telemetry.REGISTRY.collect() for sample in family.samples
             if sample.labels.get("topic") == SOURCE or sample.labels.get("stage") == "aggregate"}  # fmt: skip
    assert found["pulse_consumer_lag_records"] == 10
    assert found["pulse_event_lag_seconds"] == 2.5


async def test_publishing_rests_in_proportion_to_what_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = await started(FakeProducer())
    times: list[float] = []

    async def publish(_topic: str) -> None:
        times.append(time.monotonic())
        shell._counted[SOURCE].set()
        worked_s = time.thread_time()
        while time.thread_time() - worked_s < 0.1:
            pass

    monkeypatch.setattr(shell, "publish", publish)
    await shell.count(SOURCE, Event([], 0))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(shell.keep_publishing(SOURCE, 0.001), 2.0)
    assert 2 <= len(times) <= 5  # 0.1 s of work and three times as long a rest


async def test_stopping_stops_the_producer() -> None:
    producer = FakeProducer()
    await (await started(producer)).stop()
    assert producer.stopped
