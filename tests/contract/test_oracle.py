"""The property tests' oracles are tested themselves: each deliberate fault must be found, and no sound state is.

Every fault is tried on one short stream, with a death after every single write of the flush that matters.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from pipeline.changelog import HEADER, Changelog
from pipeline.copies import Copies
from pipeline.counted import CountedState
from pipeline.outputs import Pairs
from pipeline.reported import ReportedState
from pipeline.state import KeptRow, StageState
from tests import partition as in_memory
from tests.contract import faults
from tests.partition import MemoryPartition
from tests.property import test_counted as counted
from tests.property import test_reported as reported

MOST_WRITES = 60  # more than any flush of these streams has

# (campaign, ad, type, event id, minutes from the start, spend), seconds since the last event
EVENTS: list[tuple[Any, int]] = [
    (("a", "ad1", "click", 1, 0, 100), 0),
    (("a", "ad1", "click", 2, 0, 20), 0),
    (("b", "", "impression", 1, 60, 7), 1),
    (("a", "ad1", "click", 1, 0, 100), 1),  # a repeat
    (("a", "ad1", "click", 3, -30, 3), 7),  # late: its minute is final
    (("a", "ad2", "click", 4, 0, 50), 90),
    (("a", "ad1", "click", 2, 0, 20), 1),  # a repeat, long after
    (("a", "ad1", "click", 5, 0, 9), 1),
]
# (report, campaign, day, hour or ad, run, clicks, vanished), or the number of a complete run
ROWS: list[Any] = [
    ("campaign_day", "70", "2026-10-24", 0, 1, 5, False),
    ("campaign_day", "70", "2026-10-24", 0, 1, 6, False),  # of the same run: the later one holds
    ("campaign_hour", "70", "2026-10-24", 2, 2, 3, False),
    ("campaign_hour", "70", "2026-10-24", 2, 1, 9, False),  # older than the row
    2,
    ("campaign_day", "71", "2026-10-24", 0, 1, 8, False),  # older than a complete read of its day
    ("ad_day", "70", "2026-10-25", 1, 2, 4, False),
    ("ad_day", "70", "2026-10-25", 1, 3, 0, True),
]


def _make(state: type[Any]) -> Callable[[], StageState]:
    if issubclass(state, ReportedState):
        return lambda: state("raw.google_ads.v1", 0, project_of=lambda *_: "p")
    return lambda: state("raw.events.v1", 0)


def _short_lived(state: type[Any]) -> Callable[[], StageState]:
    """Every window is given up two hours after its end."""
    return lambda: state("raw.events.v1", 0, horizon_ms=dict.fromkeys(("1m", "5m", "1h", "1d"), 7_200_000))


@dataclass(frozen=True)
class Fault:
    """`flush`: which flush dies; `make`: how the states are built; `judged`: whether the judge's view is compared."""

    state: type[Any]
    flush: int = 0
    cuts: Sequence[int] = ()
    make: Callable[[type[Any]], Callable[[], StageState]] = field(default=_make)
    judged: bool = True


COUNTED = [
    Fault(faults.NoOffsetGuard, flush=0, cuts=[3]),
    Fault(faults.NoDedupe),
    Fault(faults.IdsForgotten, flush=1, cuts=[3]),
    Fault(faults.FinalFlagLost, flush=1, cuts=[5]),
    Fault(faults.CorrectionsKept),
    Fault(faults.CountedHeaderFirst, flush=1, cuts=[3, 7]),
    Fault(faults.TombstonesFirst, flush=1, cuts=[2], make=_short_lived, judged=False),
]
REPORTED = [
    Fault(faults.ReportedHeaderFirst, flush=0, cuts=[3]),
    Fault(faults.ReportedNoGuard, flush=0, cuts=[4]),
    Fault(faults.OlderThanTheRowAccepted),
    Fault(faults.OlderThanTheReadAccepted),
    Fault(faults.VanishedIgnored),
    Fault(faults.RevisionsGathered, flush=0, cuts=[4]),
]


def complaints(fault: Fault, state: type[Any], sound: type[Any]) -> list[str]:
    """What the oracles say of `state` for every place where it may die; nothing for a sound one."""
    counting = issubclass(sound, CountedState)
    records = counted.stream(EVENTS) if counting else reported.stream(ROWS)
    expected = _expected() if counting else {}
    calm = MemoryPartition(fault.make(sound))
    calm.run(records)
    found = []
    for death in range(-1, MOST_WRITES):
        partition = MemoryPartition(fault.make(state))
        try:
            partition.run(records, fault.cuts, [-1] * fault.flush + [death])
            right = _totals_right(partition, expected) if counting else _reported_right(partition, calm)
            if counting and fault.judged:
                right = right and counted.judged(partition) == counted.judged(calm)
        except AssertionError:
            right = False
        if not right:
            found.append(f"dead after {death} writes")
    return found


Recounted = dict[str, dict[str, int]]


@cache
def _expected() -> Recounted:
    return counted.recount(counted.stream(EVENTS))


def _totals_right(partition: MemoryPartition, expected: Recounted) -> bool:
    totals = counted.published(partition)
    return set(totals) == set(expected) and all(
        totals[name][measure] == n for name, measures in expected.items() for measure, n in measures.items()
    )


def _reported_right(partition: MemoryPartition, calm: MemoryPartition) -> bool:
    return reported.published(partition) == reported.newest(ROWS) and reported.first_sights(
        partition
    ) == reported.first_sights(calm)


@pytest.mark.parametrize("fault", [*COUNTED, *REPORTED], ids=lambda fault: fault.state.__name__)
def test_the_fault_is_found_and_the_sound_state_is_not_blamed(fault: Fault) -> None:
    sound: type[Any] = ReportedState if issubclass(fault.state, ReportedState) else CountedState
    assert complaints(fault, sound, sound) == []
    assert complaints(fault, fault.state, sound)


# -- a frozen predecessor ---------------------------------------------------------------------------------------


class LastWriteWins(Changelog):
    """Takes the copy of a row that was written last, as a compacted topic under plain keys would."""

    def __init__(self, assignment: bytes) -> None:
        super().__init__(assignment)
        self._copies = Copies(lambda value, known: True)


class OneIdPerProcess(Changelog):
    """The woken worker writes and deletes under a name that its successor writes under as well."""

    def __init__(self, assignment: bytes) -> None:
        super().__init__(b"always")


class CopiesNotDeleted(Changelog):
    """Nothing supersedes anything: the changelog grows with every assignment."""

    def write(self, rows: Iterable[tuple[bytes, KeptRow]]) -> Pairs:
        for key in self.keys:
            self._copies.take(key)
        return super().write(rows)


def woken(compact: bool) -> MemoryPartition:
    """A worker freezes after its first flush, another takes over, the first wakes and flushes; then a third reads."""
    records = counted.stream(EVENTS)
    partition = MemoryPartition(_make(CountedState))
    frozen, log_of_frozen = partition.start()
    frozen.count(records[:2])
    partition.flush(frozen, log_of_frozen)
    frozen.count(records[2:3])
    following, log = partition.start()
    following.count(records[2:6])
    partition.flush(following, log)
    acked = partition.acked
    partition.flush(frozen, log_of_frozen)
    partition.acked = acked  # the broker refuses the commit of a worker that was thrown out
    if compact:
        partition.compacted()
    third, log = partition.start()
    third.count(records[6:])
    partition.flush(third, log)
    return partition


def exact_after_waking(*, compact: bool) -> bool:
    try:
        partition = woken(compact)
        return _totals_right(partition, _expected()) and _copies_are_few(partition)
    except (AssertionError, KeyError):
        return False


def _copies_are_few(partition: MemoryPartition) -> bool:
    """The header is written at every flush: its last owner has deleted the copies it superseded."""
    partition.compacted()
    return sum(1 for record in partition.log if (record.key or b"").startswith(HEADER)) <= 2


@pytest.mark.parametrize("compact", [False, True])
def test_a_woken_predecessor_spoils_nothing(compact: bool) -> None:
    assert exact_after_waking(compact=compact)


@pytest.mark.parametrize("broken", [LastWriteWins, OneIdPerProcess, CopiesNotDeleted])
def test_a_changelog_that_lets_it_spoil_something_is_found(
    broken: type[Changelog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_memory, "Changelog", broken)
    assert not (exact_after_waking(compact=False) and exact_after_waking(compact=True))
