"""Windows of one partition: rows that are open, become final, are corrected, and are given up in the end.

A row is (campaign or ad, window, start) -> the measures counted so far and the order of the last record in them. Rows
of one window stand together (`pipeline.counted_slots`). Small panes of records are folded into them (`fold`); time
moves by `cross`, and only forward.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from pipeline.counted_panes import Pane
from pipeline.counted_restore import rows_into_slots
from pipeline.counted_rows import (
    AS_OF,
    CORRECTED,
    END,
    FINAL,
    FLAGS,
    GAINED_AT,
    ORDER,
    REVISION,
    Campaign,
    Row,
    RowKey,
    measures_in,
    name_of,
)
from pipeline.counted_slots import Slot, Slots, Target
from pipeline.counted_totals import TotalTexts
from pipeline.state import Output
from pipeline.versions import offset_of, order_of
from schemas.measures import ZERO


class CountedWindows:
    """`campaign_of`: a campaign by its key. `outputs` collects what is published, in order.

    `siblings`: the windows of the other sources of the same partition that feed the same totals.
    """

    def __init__(
        self,
        topic: str,
        partition: int,
        *,
        generation: int,
        horizon_ms: dict[str, int],
        campaign_of: Callable[[str], Campaign],
    ) -> None:
        self._generation, self._order_base = generation, order_of(generation, 0)
        self._campaign_of = campaign_of
        self._texts = TotalTexts(topic, partition)
        self.siblings: Sequence[CountedWindows] = ()
        self.slots = Slots(horizon_ms)
        self.expiry = self.slots.expiry
        self.expired_changed = False
        self.outputs: list[Output] = []
        self.clock_ms = -1
        self.guard_to = -1  # up to this offset some rows are further than others
        # By the identity of the row, which is quicker to look up than its key.
        self._live: dict[int, Target] = {}  # open rows to publish early
        self._dirty: dict[int, Target] = {}  # other open rows, to publish at the next take
        self._changed: dict[int, Target] = {}
        self._corrected: dict[int, Target] = {}
        self._given_up: list[bytes] = []

    @property
    def rows(self) -> dict[RowKey, Row]:
        """All rows as the changelog has them: a copy, to look at."""
        return {slot.key_of(name): slot.kept_row(row) for slot in self.slots for name, row in slot.rows.items()}

    def holds(self, campaign_key: str, window: str, start_ms: int) -> bool:
        return self.slots.find(campaign_key, window, start_ms) is not None

    def restore(self, rows: Iterable[tuple[bytes, Row]]) -> None:
        """Rows of the changelog; in the end `guard_to` is the last offset in any of them."""
        corrected, furthest = rows_into_slots(rows, self.slots, self._campaign_of)
        self._corrected = {id(target[2]): target for target in corrected}
        self.guard_to = max(self.guard_to, furthest)

    # -- panes into rows -------------------------------------------------------------------------------------

    def fold(self, pane: Pane, offset: int, as_of_ms: int, measures: Sequence[int]) -> None:
        """Add what a pane has counted to every row it goes into. The last of its records is at `offset`."""
        order = self._order_base + offset
        added = [(index, n) for index, n in enumerate(measures, GAINED_AT) if n]
        targets = pane.targets
        if not targets:
            first = [order, as_of_ms, 0, 0, *measures[: added[-1][0] + 1 - GAINED_AT if added else 0]]
            targets = self._targets_of(pane, first)
        guarded = offset <= self.guard_to
        changed = self._changed
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
                    row[index] += n
            except IndexError:
                self._lengthen(row, added)
            name = id(row)
            changed[name] = target
            if row[FLAGS] & FINAL:
                row[FLAGS] |= CORRECTED
                self._corrected[name] = target
            elif slot.is_early and pane.ad_id is None:
                self._live[name] = target
            else:
                self._dirty[name] = target

    def _lengthen(self, row: Row, added: Sequence[tuple[int, int]]) -> None:
        """A measure of this row is met for the first time: `added` was applied up to it, and is applied on from it."""
        missing = len(row)
        row.extend([0] * (added[-1][0] + 1 - missing))
        for index, n in added:
            if index >= missing:
                row[index] += n

    def _targets_of(self, pane: Pane, first: Row) -> list[Target]:
        """The rows of a pane that were there; the others begin as copies of `first`, where they may begin.

        None is given up while its minute is not over, so the pane may keep them. It does from the second time on: of a
        million campaigns most are seen once a minute.
        """
        campaign, ad_id = pane.campaign, pane.ad_id
        is_campaign = ad_id is None
        name = campaign.key if ad_id is None else name_of(campaign.key, ad_id)
        changed, live, dirty = self._changed, self._live, self._dirty
        found: list[Target] = []
        begun = False
        for slot, flags, others in self.slots.places(campaign.zone, pane.minute_ms, self.clock_ms)[is_campaign]:
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
            changed[number] = target
            if flags:
                row[FLAGS] = flags | CORRECTED
                self._corrected[number] = target
            elif is_campaign and slot.is_early:
                live[number] = target
            else:
                dirty[number] = target
            if slot.is_pushed:
                self.slots.watch_late(slot, row[AS_OF])
        if pane.was_folded and not begun:
            pane.targets = found
        pane.was_folded = True
        return found

    # -- time ------------------------------------------------------------------------------------------------

    def next_change_ms(self) -> int:
        """When the next window may become final or be given up; far away if there is none."""
        return self.slots.next_change_ms()

    def cross(self, clock_ms: int, offset: int) -> None:
        """The clock comes to `clock_ms` with the record at `offset`, which is not counted yet."""
        self.clock_ms = clock_ms
        final: list[Target] = []
        ended: list[Slot] = []
        changed, live, dirty = self._changed, self._live, self._dirty
        for slot in self.slots.over(clock_ms):
            ended.append(slot)
            for name, row in slot.rows.items():
                if not row[FLAGS] & FINAL:
                    row[FLAGS] |= FINAL
                    number = id(row)
                    if live:
                        live.pop(number, None)
                    if dirty:
                        dirty.pop(number, None)
                    target = changed[number] = slot, name, row
                    final.append(target)
        self.outputs += self._totals(final)
        for slot in ended:  # of what is over totals are rare, and there are many slots
            slot.texts.clear()
        self._publish_corrected(offset)
        self._give_up(clock_ms)

    def _publish_corrected(self, offset: int) -> None:
        waiting, self._corrected = self._corrected, {}
        corrected: list[Target] = []
        for target in waiting.values():
            row = target[2]
            if offset_of(row[ORDER]) >= offset:
                # Restored ahead of the records that are read again: its turn comes behind the one it has counted.
                self._corrected[id(row)] = target
                continue
            row[FLAGS] &= ~CORRECTED
            row[REVISION] += 1
            self._changed[id(row)] = target
            corrected.append(target)
        self.outputs += self._totals(corrected)
        for slot, _, _ in corrected:
            slot.texts.clear()

    def _give_up(self, clock_ms: int) -> None:
        given_up = list(self.slots.give_up(clock_ms))
        self.outputs += self._totals(given_up, settled=True)
        for slot, name, row in given_up:
            self._changed.pop(id(row), None)
            self._corrected.pop(id(row), None)
            self._live.pop(id(row), None)
            self._dirty.pop(id(row), None)
            slot.texts.clear()
            self._given_up.append(slot.kept_key(name))
            self.expired_changed |= self.expiry.forget(slot.window, slot.start_ms)

    def _totals(self, targets: Collection[Target], *, settled: bool = False) -> list[Output]:
        if not self.siblings:
            return self._texts.totals(targets, self._campaign_of, settled=settled)
        found: list[Output] = []
        for slot, name, row in targets:
            whole, offset = self._with_siblings(slot, name, row), offset_of(row[ORDER])
            found += self._texts.totals([(slot, name, whole)], self._campaign_of, settled=settled, offset=offset)
        return found

    def _with_siblings(self, slot: Slot, name: str, row: Row) -> Row:
        order, as_of_ms, measures = row[ORDER], row[AS_OF], measures_in(row)
        for sibling in self.siblings:
            partial = sibling.slots.find(name, slot.window, slot.start_ms)
            if partial is not None:
                other = partial[1]
                order += other[ORDER] - order_of(self._generation, -1)
                as_of_ms = max(as_of_ms, other[AS_OF])
                measures = [a + b for a, b in zip(measures, measures_in(other), strict=True)]
        return [order, as_of_ms, *row[REVISION:GAINED_AT], *measures]

    def differences(self, published: "CountedWindows", order: int) -> list[Output]:
        """Totals to publish so that readers of `published` hold this (rebuilt) state: what differs, what is gone."""
        differing: list[Target] = []
        for slot in self.slots:
            for name, row in slot.rows.items():
                known = published.slots.find(name, slot.window, slot.start_ms)
                if known is None or _figures(*known) != _figures(slot, row) or (known[1][FLAGS] ^ row[FLAGS]) & FINAL:
                    differing.append((slot, name, row))
        for slot in published.slots:
            if self.expiry.is_forgotten(slot.window, slot.start_ms):
                continue
            for name, row in slot.rows.items():
                if self.slots.find(name, slot.window, slot.start_ms) is None:
                    differing.append((slot, name, [order, *row[AS_OF:GAINED_AT], *ZERO]))
        return self._totals(differing)

    # -- hand over -------------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        return len(self._changed) + len(self.outputs)

    def take_early(self) -> list[Output]:
        """What was published, and of the open rows that changed those that readers shall see at once."""
        outputs, self.outputs = self.outputs, []
        live, self._live = self._live, {}
        outputs += self._totals(live.values())
        return outputs

    def take_outputs(self) -> list[Output]:
        """What was published, and every open row that changed as it stands."""
        outputs = self.take_early()
        dirty, self._dirty = self._dirty, {}
        outputs += self._totals(dirty.values())
        return outputs

    def take_rows(self) -> list[tuple[bytes, Row]]:
        changed, self._changed = self._changed, {}
        rows = []
        for slot, name, row in changed.values():  # as `Slot.kept_key` and `kept_row` have it, without two calls a row
            kept = row.copy()
            kept.insert(END, slot.end_ms)
            rows.append(((name if "|" in name else name + "|").encode() + slot.kept_tail, kept))
        return rows

    def take_given_up(self) -> list[tuple[bytes, None]]:
        given_up, self._given_up = self._given_up, []
        self.expired_changed = False
        return [(key, None) for key in given_up]


def _figures(slot: Slot, row: Row) -> tuple[int, list[int]]:
    return slot.end_ms, measures_in(row)
