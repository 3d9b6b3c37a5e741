"""What panes have counted, into the rows of windows; and which rows have changed since somebody last asked.

`pipeline.native` holds the same loop in C, on the same objects, where a compiler was there at the installation; tests
hold the two together.
"""

from collections.abc import Iterable, Sequence

from pipeline.counted_panes import Drained, Pane
from pipeline.counted_rows import AS_OF, CORRECTED, FINAL, FLAGS, GAINED_AT, ORDER, Row, name_of
from pipeline.counted_slots import Slots, Target
from pipeline.noted_rows import Noted, noted_rows
from pipeline.per_record import native
from schemas.measures import MOST


class Fold:
    """`live`: open rows to publish early; `dirty`: other open rows, to publish at the next take; `changed`: to keep.

    `corrected`: rows that changed after their end, to publish at the next crossing.
    """

    def __init__(self, slots: Slots, order_base: int, *, in_c: bool) -> None:
        self._slots, self._order_base, self._in_c = slots, order_base, in_c
        self.live, self.dirty, self.changed = self._none(), self._none(), self._none()
        self.corrected: dict[int, Target] = {}  # by the identity of the row

    def _none(self) -> Noted:
        return noted_rows(in_c=self._in_c)

    def take_live(self) -> Noted:
        live, self.live = self.live, self._none()
        return live

    def take_dirty(self) -> Noted:
        dirty, self.dirty = self.dirty, self._none()
        return dirty

    def take_changed(self) -> Noted:
        changed, self.changed = self.changed, self._none()
        return changed

    def restored(self, corrected: Iterable[Target]) -> None:
        self.corrected = {id(target[2]): target for target in corrected}

    def forget(self, row: Row) -> None:
        """It is given up."""
        for rows in (self.changed, self.corrected, self.live, self.dirty):
            rows.pop(id(row), None)

    def add(self, drained: list[Drained], clock_ms: int, guard_to: int) -> None:
        """Add what panes have counted to every row it goes into. Up to `guard_to` some rows are further than others."""
        if self._in_c:
            native.fold(
                drained, self._order_base, guard_to, self.changed, self.live, self.dirty, self.corrected,
                clock_ms, self._slots.places, self._slots.watch_late, self._rows_of,
            )  # fmt: skip
            return
        for pane, offset, as_of_ms, measures in drained:
            self._add(pane, offset, as_of_ms, measures, clock_ms, guard_to)

    def _add(
        self, pane: Pane, offset: int, as_of_ms: int, measures: Sequence[int], clock_ms: int, guard_to: int
    ) -> None:
        order = self._order_base + offset
        added = [(index, n) for index, n in enumerate(measures, GAINED_AT) if n]
        targets = pane.targets
        if not targets:
            first = [order, as_of_ms, 0, 0, *measures[: added[-1][0] + 1 - GAINED_AT if added else 0]]
            targets = self._rows_of(pane, first, clock_ms)
        guarded = offset <= guard_to
        changed = self.changed
        for target in targets:
            slot, _, row = target
            if order > row[ORDER]:  # panes of one batch come in any order
                row[ORDER] = order
            elif guarded:
                continue  # read again after a restart: this row was further than the others
            if as_of_ms > row[AS_OF]:
                row[AS_OF] = as_of_ms
            try:
                for index, n in added:
                    row[index] = min(row[index] + n, MOST)
            except IndexError:
                _lengthen(row, added)
            number = id(row)
            changed[number] = target
            if row[FLAGS] & FINAL:
                row[FLAGS] |= CORRECTED
                self.corrected[number] = target
            elif slot.is_early and pane.ad_id is None:
                self.live[number] = target
            else:
                self.dirty[number] = target

    def _rows_of(self, pane: Pane, first: Row, clock_ms: int) -> list[Target]:
        """The rows of a pane that were there; the others begin as copies of `first`, where they may begin.

        None is given up while its minute is not over, so the pane may keep them. It does from the second time on: of a
        million campaigns most are seen once a minute.
        """
        campaign, ad_id = pane.campaign, pane.ad_id
        is_campaign = ad_id is None
        name = campaign.key if ad_id is None else name_of(campaign.key, ad_id)
        found: list[Target] = []
        begun = False
        for slot, flags, others in self._slots.places(campaign.zone, pane.minute_ms, clock_ms)[is_campaign]:
            row = slot.rows.get(name)
            if row is not None:
                found.append((slot, name, row))
                continue
            elsewhere = [(one, name, one.rows[name]) for one in others if name in one.rows] if others else []
            found += elsewhere
            if flags is None or elsewhere:
                continue
            begun = True
            row = slot.rows[name] = first[:]  # a slice has no room to spare
            number, target = id(row), (slot, name, row)
            self.changed[number] = target
            if flags:
                row[FLAGS] = flags | CORRECTED
                self.corrected[number] = target
            elif is_campaign and slot.is_early:
                self.live[number] = target
            else:
                self.dirty[number] = target
            if slot.is_pushed:
                self._slots.watch_late(slot, row[AS_OF])
        if pane.was_folded and not begun:
            pane.targets = found
        pane.was_folded = True
        return found


def _lengthen(row: Row, added: Sequence[tuple[int, int]]) -> None:
    """A measure of this row is met for the first time: `added` was applied up to it, and is applied on from it."""
    missing = len(row)
    row.extend([0] * (added[-1][0] + 1 - missing))
    for index, n in added:
        if index >= missing:
            row[index] = n
