"""Windows of one partition: rows that are open, become final, are corrected, and are given up in the end.

A row is (campaign or ad, window, start) -> the measures counted so far and the order of the last record in them. Rows
of one window stand together (`pipeline.counted_slots`). Small panes of records are folded into them (`fold`); time
moves by `cross`, and only forward.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from pipeline.counted_fold import Fold
from pipeline.counted_kept import kept_rows
from pipeline.counted_panes import Drained
from pipeline.counted_restore import RowsInC, rows_into_slots
from pipeline.counted_rows import (
    AS_OF,
    CORRECTED,
    FINAL,
    FLAGS,
    GAINED_AT,
    ORDER,
    REVISION,
    Campaign,
    Row,
    RowKey,
    measures_in,
)
from pipeline.counted_slots import Slot, Slots, Target
from pipeline.counted_totals import TotalTexts
from pipeline.outputs import Outputs, Pack, Pairs, Rows, no_pairs
from pipeline.per_record import BUILT
from pipeline.state import Output
from pipeline.versions import offset_of, order_of
from schemas.measures import ZERO
from schemas.topics import TOTALS


class CountedWindows:
    """`campaigns`: by the key of their records. `outputs` collects what is published, in order.

    `siblings`: the windows of the other sources of the same partition that feed the same totals.
    """

    def __init__(
        self,
        topic: str,
        partition: int,
        *,
        generation: int,
        horizon_ms: dict[str, int],
        campaigns: Mapping[bytes | None, Campaign],
        in_c: bool = BUILT,
        pack: Pack | None = None,
    ) -> None:
        self._generation, self._campaigns, self._in_c = generation, campaigns, in_c
        self._pack = pack
        self._texts = TotalTexts(topic, partition, campaigns, in_c=in_c, pack=pack)
        self.siblings: Sequence[CountedWindows] = ()
        self.slots = Slots(horizon_ms)
        self._fold = Fold(self.slots, order_of(generation, 0), in_c=in_c)
        self.expiry = self.slots.expiry
        self.expired_changed = False
        self.outputs = self._none()
        self.clock_ms = -1
        self.guard_to = -1  # up to this offset some rows are further than others
        self._given_up: list[bytes] = []

    @property
    def rows(self) -> dict[RowKey, Row]:
        """All rows as the changelog has them: a copy, to look at."""
        return {slot.key_of(name): slot.kept_row(row) for slot in self.slots for name, row in slot.rows.items()}

    def holds(self, campaign_key: str, window: str, start_ms: int) -> bool:
        return self.slots.find(campaign_key, window, start_ms) is not None

    def restore(self, rows: Iterable[tuple[bytes, Row]] | RowsInC) -> None:
        """Rows of the changelog; in the end `guard_to` is the last offset in any of them."""
        corrected, furthest = rows_into_slots(rows, self.slots, lambda key: self._campaigns[key.encode()])
        self._fold.restored(corrected)
        self.guard_to = max(self.guard_to, furthest)

    # -- panes into rows -------------------------------------------------------------------------------------

    def fold(self, drained: list[Drained]) -> None:
        """Add what panes have counted to every row it goes into."""
        self._fold.add(drained, self.clock_ms, self.guard_to)

    # -- time ------------------------------------------------------------------------------------------------

    def next_change_ms(self) -> int:
        """When the next window may become final or be given up; far away if there is none."""
        return self.slots.next_change_ms()

    def cross(self, clock_ms: int, offset: int) -> None:
        """The clock comes to `clock_ms` with the record at `offset`, which is not counted yet."""
        self.clock_ms = clock_ms
        final: list[Target] = []
        ended: list[Slot] = []
        changed, live, dirty = self._fold.changed, self._fold.live, self._fold.dirty
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
        self._publish(final)
        for slot in ended:  # of what is over totals are rare, and there are many slots
            slot.texts.clear()
        self._publish_corrected(offset)
        self._give_up(clock_ms)

    def _publish_corrected(self, offset: int) -> None:
        waiting, self._fold.corrected = self._fold.corrected, {}
        corrected: list[Target] = []
        for target in waiting.values():
            row = target[2]
            if offset_of(row[ORDER]) >= offset:
                # Restored ahead of the records that are read again: its turn comes behind the one it has counted.
                self._fold.corrected[id(row)] = target
                continue
            row[FLAGS] &= ~CORRECTED
            row[REVISION] += 1
            self._fold.changed[id(row)] = target
            corrected.append(target)
        self._publish(corrected)
        for slot, _, _ in corrected:
            slot.texts.clear()

    def _give_up(self, clock_ms: int) -> None:
        given_up = list(self.slots.give_up(clock_ms))
        self._publish(given_up, settled=True)
        for slot, name, row in given_up:
            self._fold.forget(row)
            slot.texts.clear()
            self._given_up.append(slot.kept_key(name))
            self.expired_changed |= self.expiry.forget(slot.window, slot.start_ms)

    def _none(self) -> Outputs:
        return Outputs(in_c=self._in_c, pack=self._pack)

    def _publish(self, targets: Collection[Target], *, settled: bool = False) -> None:
        if len(targets):
            self.outputs.add(TOTALS, self._totals(targets, settled=settled))

    def _totals(self, targets: Collection[Target], *, settled: bool = False) -> Pairs:
        if not self.siblings:
            return self._texts.totals(targets, settled=settled)
        found = no_pairs(in_c=self._in_c, pack=self._pack)
        for slot, name, row in targets:
            whole, offset = self._with_siblings(slot, name, row), offset_of(row[ORDER])
            found.extend(self._texts.totals([(slot, name, whole)], settled=settled, offset=offset))
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
        found = self._none()
        found.add(TOTALS, self._totals(differing))
        return list(found)

    # -- hand over -------------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        return len(self._fold.changed) + len(self.outputs)

    def take_early(self) -> Outputs:
        """What was published, and of the open rows that changed those that readers shall see at once."""
        self._publish(self._fold.take_live().values())
        outputs, self.outputs = self.outputs, self._none()
        return outputs

    def take_outputs(self) -> Outputs:
        """What was published, and every open row that changed as it stands."""
        self._publish(self._fold.take_live().values())
        self._publish(self._fold.take_dirty().values())
        outputs, self.outputs = self.outputs, self._none()
        return outputs

    def take_rows(self) -> Rows:
        return kept_rows(self._fold.take_changed().values(), in_c=self._in_c)

    def take_given_up(self) -> list[tuple[bytes, None]]:
        given_up, self._given_up = self._given_up, []
        self.expired_changed = False
        return [(key, None) for key in given_up]


def _figures(slot: Slot, row: Row) -> tuple[int, list[int]]:
    return slot.end_ms, measures_in(row)
