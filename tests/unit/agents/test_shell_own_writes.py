"""What a worker writes to a topic that it counts itself: counted at the broker's answer, once, and never too much."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from agents import shell as shell_module
from agents.restore import Held
from agents.shell import Shell
from agents.stage import Stage
from connectors.kafka import partition_of
from pipeline.changelog import Changelog
from pipeline.codes import Stage as Label
from tests.partition import Rec
from tests.unit.agents.producer import FakeProducer
from tests.unit.agents.shell_parts import OUT, SOURCE, STAGE, Counter, Event

FOLLOWING = Stage("judge", Label.JUDGE, OUT, "state.judge", lambda *_: Counter())


def _records_of(batch: Any, offset: int) -> list[Rec]:
    return [Rec(offset + place, 1, key, value) for place, (key, value) in enumerate(batch.records)]


def keep_what_a_callback_raises(_loop: Any, context: dict[str, Any]) -> None:
    CALLBACK_ERRORS.append(str(context.get("exception") or context["message"]))


CALLBACK_ERRORS: list[str] = []


@pytest.fixture(autouse=True)
def no_callback_fails() -> Iterator[None]:
    """A loop only logs what its callbacks raise."""
    CALLBACK_ERRORS.clear()
    yield
    assert CALLBACK_ERRORS == []


async def following(producer: FakeProducer, monkeypatch: pytest.MonkeyPatch, *, fetched_to: int | None = 0) -> Shell:
    """A worker that also counts what it publishes; partition 0 of both, of which this much was fetched."""
    asyncio.get_running_loop().set_exception_handler(keep_what_a_callback_raises)
    monkeypatch.setattr(shell_module, "records_at", _records_of)
    stages = (STAGE, FOLLOWING)
    shell = Shell(stages, topic_ids={}, consumer_config={}, session_s=10, partitions=4, reach=lambda _: None)
    await shell.start(producer)
    shell._held = {(stage.source, 0): Held(stage, 0, Counter(), Changelog(b"me")) for stage in stages}
    if fetched_to is not None:
        producer.begins[OUT, 0] = fetched_to + 1
        await shell.count(OUT, Event([], *range(fetched_to + 1)))
    return shell


def judged(shell: Shell) -> Any:
    """The state that counts what is published."""
    return shell._held[OUT, 0].state


async def unanswered(shell: Shell) -> "asyncio.Task[None]":
    """A publishing of one total that has been sent and has no answer yet."""
    await shell.count(SOURCE, Event([], 0))
    publishing = asyncio.create_task(shell.publish(SOURCE))
    await asyncio.sleep(0.002)
    return publishing


async def published(shell: Shell, *offsets: int) -> None:
    await shell.count(SOURCE, Event([], *offsets))
    await shell.publish(SOURCE)


async def test_what_is_written_here_and_counted_here_is_counted_when_the_broker_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    producer = FakeProducer()
    shell = await following(producer, monkeypatch)
    shell._counted[OUT].clear()
    await published(shell, 0)
    await published(shell, 1)
    assert (judged(shell).seen, judged(shell)._upto) == (3, 2)
    assert shell._counted[OUT].is_set()


async def test_what_a_flush_writes_is_counted_without_a_fetch_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = await following(FakeProducer(), monkeypatch)
    await shell.count(SOURCE, Event([], 0))
    await shell.flush(SOURCE)
    assert (judged(shell).seen, judged(shell)._upto) == (2, 1)


async def test_a_fetch_that_brings_it_again_changes_nothing_and_is_acked(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = FakeProducer()
    shell = await following(producer, monkeypatch)
    await published(shell, 0)
    await shell.count(OUT, Event(producer.steps, 1))
    assert judged(shell).seen == 2
    await shell.flush(OUT)
    assert producer.steps.count(("event acked", "")) == 1


async def test_of_a_fetch_only_what_is_new_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = await following(FakeProducer(), monkeypatch)
    await published(shell, 0)
    await shell.count(OUT, Event([], 0, 1, 2, 3))
    assert (judged(shell).seen, judged(shell)._upto) == (4, 3)


async def test_where_somebody_else_has_written_before_it_a_fetch_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = FakeProducer()
    shell = await following(producer, monkeypatch)
    producer.begins[OUT, 0] = 5
    await published(shell, 0)
    assert judged(shell).seen == 1
    await shell.count(OUT, Event([], 1, 2, 3, 4, 5))
    await published(shell, 1)
    assert (judged(shell).seen, judged(shell)._upto) == (7, 6)


async def test_before_the_first_fetch_of_an_assignment_nobody_knows_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shell = await following(FakeProducer(), monkeypatch, fetched_to=None)
    await published(shell, 0)
    assert judged(shell).seen == 0


async def test_a_batch_whose_place_the_broker_does_not_tell_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = FakeProducer()
    shell = await following(producer, monkeypatch, fetched_to=None)
    producer.begins[OUT, 0] = -1
    await published(shell, 0)
    assert judged(shell).seen == 0


async def test_what_is_not_held_any_more_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = await following(FakeProducer(), monkeypatch)
    state = judged(shell)
    publishing = await unanswered(shell)
    shell._held.clear()
    await publishing
    assert state.seen == 1


async def test_a_late_answer_says_nothing_of_a_partition_that_has_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = await following(FakeProducer(), monkeypatch)
    publishing = await unanswered(shell)
    shell._held[OUT, 0] = Held(FOLLOWING, 0, Counter(), Changelog(b"me"))
    await publishing
    assert judged(shell).seen == 0


async def test_a_fetch_that_was_quicker_than_the_answer_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = await following(FakeProducer(), monkeypatch)
    publishing = await unanswered(shell)
    await shell.count(OUT, Event([], 1))
    await publishing
    assert judged(shell).seen == 2


async def test_a_fetch_that_lags_behind_does_not_lead_back(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = await following(FakeProducer(), monkeypatch)
    for offset in (0, 1):
        await published(shell, offset)
    await shell.count(OUT, Event([], 1))
    await published(shell, 2)
    assert (judged(shell).seen, judged(shell)._upto) == (4, 3)


async def test_a_fetch_without_records_says_as_well_how_far_everything_has_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    producer = FakeProducer()
    shell = await following(producer, monkeypatch)
    producer.begins[OUT, 0] = 6
    await shell.count(OUT, Event([], to=5))
    await published(shell, 0)
    assert (judged(shell).seen, judged(shell)._upto) == (2, 6)


async def test_what_a_fetch_covers_goes_further_than_its_last_record(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = FakeProducer()
    shell = await following(producer, monkeypatch)
    producer.begins[OUT, 0] = 6
    await shell.count(OUT, Event([], 1, 2, to=5))
    await published(shell, 0)
    assert (judged(shell).seen, judged(shell)._upto) == (4, 6)


async def test_how_much_came_without_a_fetch_says_how_busy_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = await following(FakeProducer(), monkeypatch)
    before = shell._fresh[OUT]
    await published(shell, 0)
    assert shell._fresh[OUT] == before + 1


async def test_an_output_for_another_partition_is_counted_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell_module, "REKEYED", frozenset({OUT}))
    shell = await following(FakeProducer(), monkeypatch)
    assert partition_of(b"k", 4) == 0
    shell._held[SOURCE, 1] = Held(STAGE, 1, Counter(), Changelog(b"me"))
    await shell.count(SOURCE, Event([], 0, partition=1))
    await shell.publish(SOURCE)
    assert judged(shell).seen == 2


async def test_what_only_a_fetch_can_bring_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = await following(FakeProducer(), monkeypatch)
    monkeypatch.setattr(shell_module, "records_at", lambda *_: None)
    await published(shell, 0)
    assert judged(shell).seen == 1


async def test_where_the_broker_gives_records_its_own_time_they_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = FakeProducer()
    producer.timestamp_type = 1
    shell = await following(producer, monkeypatch)
    await published(shell, 0)
    assert judged(shell).seen == 1


async def test_what_the_broker_refuses_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = await following(FakeProducer(fail=(OUT,)), monkeypatch)
    with pytest.raises(OSError, match="the broker said no"):
        await published(shell, 0)
    assert judged(shell).seen == 1


async def test_nobody_waits_any_more_for_what_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = await following(FakeProducer(), monkeypatch)
    publishing = await unanswered(shell)
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)
    await asyncio.sleep(0.02)
    assert judged(shell).seen == 1


async def test_what_was_counted_without_a_fetch_is_kept_before_it_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = FakeProducer()
    shell = await following(producer, monkeypatch)
    await published(shell, 0)
    state = judged(shell)
    await shell.let_go()
    assert (state.counted_to, state.pending) == (1, 0)
    assert producer.records("state.judge")
    assert shell._held == {}


async def test_what_is_written_while_everything_is_let_go_is_left_to_the_next_owner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shell = await following(FakeProducer(), monkeypatch)
    state = judged(shell)
    await shell.count(SOURCE, Event([], 0))
    await shell.let_go()
    assert state.seen == 1


async def test_a_stop_keeps_what_was_counted_and_writes_nothing_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = FakeProducer()
    shell = await following(producer, monkeypatch)
    await published(shell, 0)
    await shell.stop()
    steps = list(producer.steps)
    for topic in (SOURCE, OUT):
        await shell.flush(topic)
    assert producer.stopped
    assert producer.steps == steps


async def test_a_state_that_is_full_waits_for_its_flush_and_the_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = await following(FakeProducer(), monkeypatch)
    monkeypatch.setattr(shell_module, "MAX_PENDING", 0)
    monkeypatch.setattr(shell, "flush", lambda _topic: asyncio.sleep(0))
    await published(shell, 0)
    assert judged(shell).seen == 1


async def test_what_cannot_be_counted_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = await following(FakeProducer(), monkeypatch)
    said: list[str] = []
    monkeypatch.setattr(shell_module, "die", said.append)
    monkeypatch.setattr(judged(shell), "count", lambda _records: 1 // 0)
    await published(shell, 0)
    assert len(said) == 1
    assert said[0].startswith(f"counting {OUT} failed: ZeroDivisionError")
