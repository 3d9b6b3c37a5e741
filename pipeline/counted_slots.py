"""Slots: one window of time of a partition (a minute, an hour of some zone, ...), with all rows counted for it.

What rows of one window have in common is kept once: which window it is, whether it waits for its end, and when one of
its rows may be given up. Rows stand in it under the campaign key, or campaign key and ad.
"""

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from pipeline import zones
from pipeline.counted_panes import MINUTE_MS
from pipeline.counted_rows import AS_OF, END, FINAL, Row, RowKey, whose
from pipeline.expiry import FAR_MS, Expiry, bucket_of
from schemas.window import Basis, Window

GRACE_MS = 2_000  # events of one moment arrive over many connections; two seconds late is not late
FIVE_MINUTES_MS = 300_000
MINUTE, FIVE_MINUTES, HOUR, DAY = map(str, Window)
# What a campaign has come to today is published at once; its other open windows, and ads, with the next flush: every
# total costs whoever reads it.
EARLY = DAY


class Slot:
    """`watched_ms`: before this time no row of it is due; `is_pushed`: it is later than end and horizon say.

    `texts`: what its totals have in common, once asked for.
    """

    __slots__ = (
        "end_ms",
        "is_early",
        "is_pushed",
        "is_waiting",
        "kept_tail",
        "rows",
        "start_ms",
        "texts",
        "total_tail",
        "watched_ms",
        "window",
    )

    def __init__(self, window: str, start_ms: int, end_ms: int) -> None:
        self.window, self.start_ms, self.end_ms = window, start_ms, end_ms
        self.rows: dict[str, Row] = {}
        self.is_early = window == EARLY
        self.is_waiting = False  # for its end
        self.is_pushed, self.watched_ms = False, FAR_MS
        self.texts: dict[int, bytes] = {}
        self.kept_tail = f"|{window}|{start_ms // 1000}".encode()
        self.total_tail = f"|{Basis.COUNTED}".encode() + self.kept_tail

    def key_of(self, name: str) -> RowKey:
        return (*whose(name), self.window, self.start_ms)

    def kept_key(self, name: str) -> bytes:
        """Key of the row in the changelog: `campaign key|ad or nothing|window|start_s`."""
        return (name if "|" in name else name + "|").encode() + self.kept_tail

    def kept_row(self, row: Row) -> Row:
        """The row as the changelog has it."""
        kept = row.copy()
        kept.insert(END, self.end_ms)
        return kept


Target = tuple[Slot, str, Row]  # a row, and what it stands under


class Place(NamedTuple):
    """Where a minute is counted: the slot, and the flags of a row that begins there now; None if none may begin.

    `others`: slots of the same start that end at another time, as they do in other zones. A restored row may be in
    one of them, if the rules of its zone have changed since it was written.
    """

    slot: Slot
    flags: int | None
    others: tuple[Slot, ...]


Places = tuple[tuple[Place, ...], tuple[Place, ...]]  # for ads, for campaigns


class Slots:
    """All slots of one partition. `horizon_ms`: how long a row stays after its end or its last change, by window."""

    def __init__(self, horizon_ms: dict[str, int]) -> None:
        self._horizon_ms = horizon_ms
        self._starting: dict[tuple[str, int], list[Slot]] = {}  # window, start_ms -> one for each end
        self._ends: list[int] = []  # heap of the ends that slots wait for
        self._waiting: dict[int, list[Slot]] = {}  # end_ms -> slots that become final together
        self._places: dict[tuple[str, int], Places] = {}  # zone, minute_ms -> as they are until the clock moves
        self.expiry: Expiry[Slot] = Expiry()

    def __iter__(self) -> Iterator[Slot]:
        for slots in self._starting.values():
            yield from slots

    def find(self, name: str, window: str, start_ms: int) -> tuple[Slot, Row] | None:
        for slot in self._starting.get((window, start_ms), ()):
            row = slot.rows.get(name)
            if row is not None:
                return slot, row
        return None

    def at(self, window: str, start_ms: int, end_ms: int, now_ms: int) -> Slot:
        """The slot, made if need be for a row that changes at `now_ms`."""
        slots = self._starting.setdefault((window, start_ms), [])
        for slot in slots:
            if slot.end_ms == end_ms:
                return slot
        slot = Slot(window, start_ms, end_ms)
        slots.append(slot)
        self._watch(slot, max(end_ms, now_ms) + self._horizon_ms[window])
        return slot

    # -- where a minute is counted ---------------------------------------------------------------------------

    def places(self, zone: str, minute_ms: int, clock_ms: int) -> Places:
        found = self._places.get((zone, minute_ms))
        if found is None:
            five_ms = minute_ms - minute_ms % FIVE_MINUTES_MS
            places = [
                place
                for window, start_ms, end_ms in (
                    (HOUR, *zones.hour_at(zone, minute_ms)),
                    (DAY, *zones.day_at(zone, minute_ms)),
                    (MINUTE, minute_ms, minute_ms + MINUTE_MS),
                    (FIVE_MINUTES, five_ms, five_ms + FIVE_MINUTES_MS),
                )
                if (place := self._place(window, start_ms, end_ms, clock_ms)) is not None
            ]
            of_ads = tuple(place for place in places if place.slot.window in {HOUR, DAY})
            found = self._places[zone, minute_ms] = of_ads, tuple(places)
        return found

    def _place(self, window: str, start_ms: int, end_ms: int, clock_ms: int) -> Place | None:
        flags: int | None = FINAL if end_ms + GRACE_MS <= clock_ms else 0
        if self.expiry.is_forgotten(window, start_ms):
            flags = None  # rows of that day have been given up: one would start again from zero
            if (window, start_ms) not in self._starting:
                return None
        slot = self.at(window, start_ms, end_ms, clock_ms)
        if flags == 0:
            self.wait_for_end(slot)
        return Place(slot, flags, tuple(one for one in self._starting[window, start_ms] if one is not slot))

    # -- time ------------------------------------------------------------------------------------------------

    def wait_for_end(self, slot: Slot) -> None:
        if slot.is_waiting:
            return
        slot.is_waiting = True
        waiting = self._waiting.get(slot.end_ms)
        if waiting is None:
            waiting = self._waiting[slot.end_ms] = []
            heappush(self._ends, slot.end_ms)
        waiting.append(slot)

    def over(self, clock_ms: int) -> Iterator[Slot]:
        """Slots that have waited and whose time is over now. The clock has moved: places are looked for anew."""
        self._places.clear()
        while self._ends and self._ends[0] + GRACE_MS <= clock_ms:
            for slot in self._waiting.pop(heappop(self._ends)):
                slot.is_waiting = False
                yield slot

    def next_change_ms(self) -> int:
        """When the next window may become final or be given up; far away if there is none."""
        due_ms = self.expiry.next_ms()
        return min(self._ends[0] + GRACE_MS, due_ms) if self._ends else due_ms

    def watch_late(self, slot: Slot, as_of_ms: int) -> None:
        """A row begins in the slot: it may be due before those that were there."""
        due_ms = max(slot.end_ms, as_of_ms) + self._horizon_ms[slot.window]
        if due_ms < slot.watched_ms:
            self._watch(slot, due_ms)

    def _watch(self, slot: Slot, due_ms: int) -> None:
        slot.watched_ms = due_ms
        slot.is_pushed = bucket_of(due_ms) > bucket_of(slot.end_ms + self._horizon_ms[slot.window])
        self.expiry.watch(slot, due_ms)

    def give_up(self, clock_ms: int) -> Iterator[tuple[Slot, str, Row]]:
        """Rows that are given up now; they are in no slot any more."""
        now = bucket_of(clock_ms) - 1
        for slot in self.expiry.due(clock_ms, lambda _: clock_ms):
            if bucket_of(slot.watched_ms) > now:
                continue  # it was looked at since, for a row that was due before the others
            horizon_ms, end_ms, due, stay_ms = self._horizon_ms[slot.window], slot.end_ms, [], FAR_MS
            for name, row in slot.rows.items():
                due_ms = max(end_ms, row[AS_OF]) + horizon_ms
                if bucket_of(due_ms) <= now:
                    due.append((slot, name, row))
                elif due_ms < stay_ms:
                    stay_ms = due_ms
            for _, name, _ in due:
                del slot.rows[name]
            if slot.rows:
                self._watch(slot, stay_ms)
            else:
                self._drop(slot)
            yield from due
        self._places.clear()

    def _drop(self, slot: Slot) -> None:
        slots = self._starting.get((slot.window, slot.start_ms), [])
        if slot in slots:
            slots.remove(slot)
        if not slots:
            self._starting.pop((slot.window, slot.start_ms), None)
