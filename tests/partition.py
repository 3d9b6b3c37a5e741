"""A partition in memory: records, a changelog, outputs, and a stage state that may die between any two effects."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pipeline.changelog import HEADER, Changelog, header_of
from pipeline.state import KeptRow, StageState


@dataclass(frozen=True, slots=True)
class Rec:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def read_back(rows: Iterable[tuple[bytes, KeptRow]]) -> dict[bytes, list[Any]]:
    """As they come out of the changelog."""
    written, read = Changelog(b"before"), Changelog(b"after")
    read.read([Rec(0, 0, key, value) for key, value in written.write(rows)])
    return read.rows()


@dataclass
class MemoryPartition:
    """`make` builds an empty state. `outputs` is what the topics hold; repeats after a crash are in it as well."""

    make: Callable[[], StageState]
    outputs: list[tuple[str, bytes | None, bytes]] = field(default_factory=list)
    log: list[Rec] = field(default_factory=list)
    acked: int = -1
    assignments: int = 0

    def start(self) -> tuple[StageState, Changelog]:
        self.assignments += 1
        changelog = Changelog(f"a{self.assignments}".encode())
        changelog.read(self.log)
        rows = changelog.rows()
        header = header_of(rows, topic="t", topic_id="")
        pairs: list[tuple[bytes, list[Any]]] = list(rows.items())
        if header is not None:
            pairs.insert(0, (HEADER, header))
        state = self.make()
        state.load(pairs, counted_to=-1 if header is None else header[2])
        return state, changelog

    def flush(self, state: StageState, changelog: Changelog, *, die_after: int | None = None) -> bool:
        """Write outputs, then rows. With `die_after`, stop after so many writes; False when it died."""
        taken = state.take()
        writes: list[Callable[[], None]] = [partial(self.outputs.append, output) for output in taken.outputs]
        records = [Rec(0, 0, key, value) for key, value in changelog.write(taken.rows)]
        writes += [partial(self.log.append, record) for record in records]
        for number, write in enumerate(writes):
            if die_after is not None and number >= die_after:
                return False
            write()
        self.acked = max(self.acked, taken.upto)
        return True

    def run(
        self, records: Sequence[Rec], cuts: Sequence[int] = (), deaths: Sequence[int] = (), early: Collection[int] = ()
    ) -> None:
        """Deliver all in batches cut at `cuts`; die after `deaths[i]` writes of the i-th flush (-1: live on).

        Before the flushes of `early` everything is published once, and of those that are odd nothing is kept.
        """
        state, changelog = self.start()
        position, flushes = 0, 0
        bounds = sorted({c for c in cuts if 0 < c < len(records)} | {len(records)})
        while position < len(records):
            upto = next(bound for bound in bounds if bound > position)
            state.count(records[position:upto])
            position = upto
            death = deaths[flushes] if flushes < len(deaths) else -1
            flushes += 1
            if flushes in early:
                self.outputs.extend(state.publish())
                if flushes % 2 and death < 0 and position < len(records):
                    continue
            if not self.flush(state, changelog, die_after=None if death < 0 else death):
                state, changelog = self.start()
                position = self.acked + 1  # offsets are positions here
                # what was acked may be older than what the rows say: the group committed long ago
                position = max(0, position - (death % 5))

    def compacted(self) -> None:
        """What log compaction leaves: the last record of every physical key, tombstones gone."""
        last: dict[bytes, Rec] = {}
        for record in self.log:
            assert record.key is not None
            last.pop(record.key, None)
            last[record.key] = record
        self.log = [record for record in last.values() if record.value is not None]
