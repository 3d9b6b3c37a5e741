"""A stage that counts records, what it is fetched as, and a shell around it: for tests of the shell."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from agents.restore import Held
from agents.shell import Shell
from agents.stage import Stage
from pipeline.changelog import HEADER, Changelog
from pipeline.codes import Stage as Label
from pipeline.state import Output, SourceRecord, Taken
from tests.partition import Rec
from tests.unit.agents.producer import FakeProducer

SOURCE, CHANGELOG, OUT = "source", "state", "totals"


class Counter:
    """A state that publishes and keeps how many records it has seen."""

    def __init__(self) -> None:
        self.counted_to, self.clock_ms, self.seen, self._upto = -1, 1_000, 0, -1
        self.pending_rows = 0

    def load(self, rows: Iterable[tuple[bytes, list[Any]]], *, counted_to: int) -> None:
        self.counted_to = counted_to

    def count(self, records: Sequence[SourceRecord]) -> None:
        self.seen += len(records)
        self._upto = records[-1].offset
        self.pending_rows += len(records)

    @property
    def pending(self) -> int:
        return self.pending_rows

    def publish(self) -> list[Output]:
        return [(OUT, b"k", b"%d" % self.seen)]

    def take(self) -> Taken:
        self.counted_to, self.pending_rows = self._upto, 0
        number = b"%d" % self.seen
        return Taken([(OUT, b"k", number)], [(b"k", [self.seen]), (HEADER, [self.seen])], self._upto)

    def tallies(self) -> dict[tuple[str, str], int]:
        return {("received", ""): 1, ("emitted", ""): 1}


class Message:
    def __init__(self, partition: int, offset: int) -> None:
        self.partition, self.offset = partition, offset


class Event:
    """One fetched batch, as Faust hands it over."""

    def __init__(self, steps: list[tuple[str, str]], *offsets: int, partition: int = 0, to: int | None = None) -> None:
        """`to`: the last offset it covers, if that is no record's."""
        self.value = [Rec(offset, 1, b"k", b"v") for offset in offsets]
        self.message = Message(partition, offsets[-1] if to is None else to)
        self._steps = steps

    def ack(self) -> None:
        self._steps.append(("event acked", ""))


STAGE = Stage("counted", Label.AGGREGATE, SOURCE, CHANGELOG, lambda *_: Counter())


def held(partition: int = 0) -> Held:
    return Held(STAGE, partition, Counter(), Changelog(b"me"))


async def started(
    producer: FakeProducer, *, session_s: float = 10, reach: Callable[[str], None] = lambda _: None, partitions: int = 1
) -> Shell:
    made = Shell((STAGE,), topic_ids={SOURCE: "id"}, consumer_config={}, session_s=session_s, partitions=4, reach=reach)
    await made.start(producer)
    made._held = {(SOURCE, number): held(number) for number in range(partitions)}
    return made
