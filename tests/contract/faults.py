"""States with one deliberate fault each, for the oracles to find."""

from collections.abc import Iterable
from typing import Any

from pipeline.changelog import HEADER
from pipeline.counted import CountedState
from pipeline.counted_panes import Panes
from pipeline.counted_rows import FINAL, FLAGS
from pipeline.event_ids import EventIds
from pipeline.id_memory import IdMemory
from pipeline.reported import ReportedState
from pipeline.reported_rows import FETCHED_AT, ORDER
from pipeline.state import SourceRecord, Taken
from schemas.facts import Snapshot


class NoOffsetGuard(CountedState):
    """Rows that were further than the header count the same records once more."""

    def load(self, rows: Iterable[tuple[bytes, list[Any]]], *, counted_to: int) -> None:
        super().load(rows, counted_to=counted_to)
        self.windows.guard_to = counted_to


class NoDedupe(CountedState):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ids = _TakesEverything(24)
        self._panes = _NothingIsKnown(IdMemory())
        self._panes.campaigns = self.campaigns


class _NothingIsKnown(Panes):
    """Every record goes the long way."""

    def count(self, _records: Any, position: int, *_: Any) -> int:
        return position


class _TakesEverything(EventIds):
    def add(self, name: str) -> bool:
        super().add(name)
        return True


class IdsForgotten(CountedState):
    """Event ids do not survive a restart."""

    def load(self, rows: Iterable[tuple[bytes, list[Any]]], *, counted_to: int) -> None:
        super().load([pair for pair in rows if not pair[0].startswith(b"\x00ids|")], counted_to=counted_to)


class FinalFlagLost(CountedState):
    """A restored window does not know that its time is over."""

    def load(self, rows: Iterable[tuple[bytes, list[Any]]], *, counted_to: int) -> None:
        pairs = [(key, list(row)) for key, row in rows]
        for key, row in pairs:
            if not key.startswith(b"\x00"):
                row[FLAGS] &= ~FINAL
        super().load(pairs, counted_to=counted_to)


class CorrectionsKept(CountedState):
    """What comes late is counted and never published."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        vars(self.windows)["_publish_corrected"] = lambda _offset: None


def _header_first(taken: Taken) -> Taken:
    taken.rows = sorted(taken.rows, key=lambda pair: pair[0] != HEADER)
    return taken


class CountedHeaderFirst(CountedState):
    def take(self) -> Taken:
        return _header_first(super().take())


class TombstonesFirst(CountedState):
    """Rows that expired are deleted before the header says that their records are counted."""

    def take(self) -> Taken:
        taken = super().take()
        taken.rows = sorted(taken.rows, key=lambda pair: pair[1] is not None)
        return taken


class ReportedHeaderFirst(ReportedState):
    def take(self) -> Taken:
        return _header_first(super().take())


class ReportedNoGuard(ReportedState):
    def _replace(self, record: SourceRecord, fact: Snapshot) -> None:
        for row in self.rows.values():
            row[ORDER] = -1
        super()._replace(record, fact)


class OlderThanTheRowAccepted(ReportedState):
    def _replace(self, record: SourceRecord, fact: Snapshot) -> None:
        for row in self.rows.values():
            row[FETCHED_AT] = -1
        super()._replace(record, fact)


class OlderThanTheReadAccepted(ReportedState):
    def _is_stale(self, fact: Snapshot) -> bool:
        return False


class VanishedIgnored(ReportedState):
    def _replace(self, record: SourceRecord, fact: Snapshot) -> None:
        if not fact.vanished:
            super()._replace(record, fact)


class RevisionsGathered(ReportedState):
    """Publishes what a flush comes to instead of every revision."""

    def take(self) -> Taken:
        taken = super().take()
        taken.outputs = list({key: (topic, key, value) for topic, key, value in taken.outputs}.values())
        return taken
