"""Windows of one partition: rows that are open, become final, are corrected, and are given up in the end.

A row is (campaign or ad, window, start) -> the measures counted so far and the order of the last record in them. Rows
of one window stand together (`pipeline.counted_slots`). Small panes of records are folded into them (`fold`); time
moves by `cross`, and only forward.
"""

from collections.abc import Callable, Iterable, Sequence

from pipeline.counted_panes import Pane
from pipeline.counted_rows import (
    AS_OF,
    CORRECTED,
    END,
    FINAL,
    FLAGS,
    GAINED_AT,
    MEASURES_AT,
    ORDER,
    REVISION,
    Campaign,
    Row,
    RowKey,
    measures_in,
    name_of,
    whose,
)
from pipeline.counted_slots import Slot, Slots
from pipeline.counted_totals import TotalTexts
from pipeline.state import Output
from pipeline.versions import offset_of, order_of
from schemas.measures import ZERO

Target = tuple[Slot, str, Row]  # a row, and what it stands under


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
        slots: dict[tuple[str, int], Slot] = {}
        names: dict[str, str] = {}  # one object for all rows of a campaign or ad
        last_name, last_order, last_as_of = "", 0, 0
        corrected, wait_for_end = self._corrected, self.slots.wait_for_end
        for key, kept in rows:
            # Rows that one record changed were written one after the other: they may share its name and numbers.
            name, _, place = key.decode().partition("|")
            if place[0] != "|":
                ad_id, _, place = place.partition("|")
                name = f"{name}|{ad_id}"
            name = last_name = last_name if name == last_name else names.setdefault(name, name)
            slot = slots.get((place, kept[END]))
            if slot is None:
                slot = slots[place, kept[END]] = self._slot(place, kept[END])
            row = slot.rows[name] = kept[:END] + kept[MEASURES_AT:]
            order, as_of_ms, _, flags = row[:END]
            if order == last_order:
                row[ORDER] = last_order
            else:
                last_order = order
                self.guard_to = max(self.guard_to, offset_of(order))
            if as_of_ms == last_as_of:
                row[AS_OF] = last_as_of
            else:
                last_as_of = as_of_ms
            if flags & CORRECTED:
                corrected[id(row)] = slot, name, row
            elif not flags and not slot.is_waiting:
                wait_for_end(slot)

    def _slot(self, place: str, end_ms: int) -> Slot:
        """`place`: what is behind the ad in the key of a row, or behind the campaign with an empty ad."""
        window, start_s = place.strip("|").split("|")
        return self.slots.at(window, int(start_s) * 1000, end_ms)

    # -- panes into rows -------------------------------------------------------------------------------------

    def fold(self, pane: Pane, offset: int, as_of_ms: int, measures: Sequence[int]) -> None:
        """Add what a pane has counted to every row it goes into. The last of its records is at `offset`."""
        order = self._order_base + offset
        added = [(index, n) for index, n in enumerate(measures, GAINED_AT) if n]
        guarded = offset <= self.guard_to
        changed = self._changed
        for target in pane.targets or self._targets_of(pane, order, as_of_ms, measures):
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

    def _targets_of(self, pane: Pane, order: int, as_of_ms: int, measures: Sequence[int]) -> list[Target]:
        """The rows of a pane that were there; others begin with what it has counted, where they may begin.

        None is given up while its minute is not over, so the pane may keep them. It does from the second time on: of a
        million campaigns most are seen once a minute.
        """
        campaign, ad_id = pane.campaign, pane.ad_id
        places = self.slots.places(campaign.zone, pane.minute_ms, self.clock_ms)[ad_id is None]
        name = name_of(campaign.key, ad_id or "")
        found: list[Target] = []
        missing = 0
        first: Row | None = None
        for place in places:
            slot, flags, others = place
            row = slot.rows.get(name)
            for other in others:
                if row is None and name in other.rows:
                    slot, row = other, other.rows[name]
            if row is not None:
                found.append((slot, name, row))
            elif flags is not None:
                if first is None:
                    first = _new_row(order, as_of_ms, measures)
                self._begin((slot, name, first[:]), flags, early=ad_id is None)
                missing += 1
        if pane.was_folded and not missing:
            pane.targets = found
        pane.was_folded = True
        return found

    def _begin(self, target: Target, flags: int, *, early: bool) -> None:
        slot, name, row = target
        slot.rows[name] = row
        number = id(row)
        self._changed[number] = target
        if flags:
            row[FLAGS] = flags | CORRECTED
            self._corrected[number] = target
        elif early and slot.is_early:
            self._live[number] = target
        else:
            self._dirty[number] = target
        if slot.was_due:
            self.slots.watch_late(slot, row[AS_OF])

    # -- time ------------------------------------------------------------------------------------------------

    def next_change_ms(self) -> int:
        """When the next window may become final or be given up; far away if there is none."""
        return self.slots.next_change_ms()

    def cross(self, clock_ms: int, offset: int) -> None:
        """The clock comes to `clock_ms` with the record at `offset`, which is not counted yet."""
        self.clock_ms = clock_ms
        for slot in self.slots.over(clock_ms):
            for name, row in slot.rows.items():
                if not row[FLAGS] & FINAL:
                    row[FLAGS] |= FINAL
                    self._publish(slot, name, row)
                    self._forget_open(row)
                    self._changed[id(row)] = slot, name, row
        self._publish_corrected(offset)
        self._give_up(clock_ms)

    def _forget_open(self, row: Row) -> None:
        self._live.pop(id(row), None)
        self._dirty.pop(id(row), None)

    def _publish_corrected(self, offset: int) -> None:
        waiting, self._corrected = self._corrected, {}
        for target in waiting.values():
            slot, name, row = target
            if offset_of(row[ORDER]) >= offset:
                # Restored ahead of the records that are read again: its turn comes behind the one it has counted.
                self._corrected[id(row)] = target
                continue
            row[FLAGS] &= ~CORRECTED
            row[REVISION] += 1
            self._publish(slot, name, row)
            self._changed[id(row)] = target

    def _give_up(self, clock_ms: int) -> None:
        for slot, name, row in self.slots.give_up(clock_ms):
            self._publish(slot, name, row, settled=True)
            self._changed.pop(id(row), None)
            self._corrected.pop(id(row), None)
            self._forget_open(row)
            self._given_up.append(slot.kept_key(name))
            self.expired_changed |= self.expiry.forget(slot.window, slot.start_ms)

    def _publish(self, slot: Slot, name: str, row: Row, *, settled: bool = False) -> None:
        self.outputs.append(self._total(slot, name, row, settled=settled))

    def _total(self, slot: Slot, name: str, row: Row, *, settled: bool = False) -> Output:
        campaign = self._campaign_of(name if "|" not in name else whose(name)[0])
        whole = self._with_siblings(slot, name, row) if self.siblings else row
        return self._texts.total(slot, name, campaign, whole, row, settled=settled)

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
        differing: list[Output] = []
        for slot in self.slots:
            for name, row in slot.rows.items():
                known = published.slots.find(name, slot.window, slot.start_ms)
                if known is None or _figures(*known) != _figures(slot, row) or (known[1][FLAGS] ^ row[FLAGS]) & FINAL:
                    differing.append(self._total(slot, name, row))
        for slot in published.slots:
            if self.expiry.is_forgotten(slot.window, slot.start_ms):
                continue
            for name, row in slot.rows.items():
                if self.slots.find(name, slot.window, slot.start_ms) is None:
                    differing.append(self._total(slot, name, [order, *row[AS_OF:GAINED_AT], *ZERO]))
        return differing

    # -- hand over -------------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        return len(self._changed) + len(self.outputs)

    def take_early(self) -> list[Output]:
        """What was published, and of the open rows that changed those that readers shall see at once."""
        outputs, self.outputs = self.outputs, []
        live, self._live = self._live, {}
        outputs.extend([self._total(*target) for target in live.values()])
        return outputs

    def take_outputs(self) -> list[Output]:
        """What was published, and every open row that changed as it stands."""
        outputs = self.take_early()
        dirty, self._dirty = self._dirty, {}
        outputs.extend([self._total(*target) for target in dirty.values()])
        return outputs

    def take_rows(self) -> list[tuple[bytes, Row]]:
        changed, self._changed = self._changed, {}
        return [(slot.kept_key(name), slot.kept_row(row)) for slot, name, row in changed.values()]

    def take_given_up(self) -> list[tuple[bytes, None]]:
        given_up, self._given_up = self._given_up, []
        self.expired_changed = False
        return [(key, None) for key in given_up]


def _new_row(order: int, as_of_ms: int, measures: Sequence[int]) -> Row:
    count = len(measures)
    while count and not measures[count - 1]:
        count -= 1
    return [order, as_of_ms, 0, 0, *measures[:count]]


def _figures(slot: Slot, row: Row) -> tuple[int, list[int]]:
    return slot.end_ms, measures_in(row)
