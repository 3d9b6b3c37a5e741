"""Windows of one partition: rows that are open, become final, are corrected, and are given up in the end.

A row is (campaign or ad, window, start) -> the measures counted so far and the order of the last record in them. Small
panes of records are folded into it (`fold`); time moves by `cross`, and only forward.
"""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

from pipeline import zones
from pipeline.counted_panes import MINUTE_MS, Pane
from pipeline.counted_rows import (
    AS_OF,
    CORRECTED,
    END,
    FINAL,
    FLAGS,
    MEASURES_AT,
    ORDER,
    REVISION,
    Campaign,
    Row,
    RowKey,
    measures_in,
    row_key,
)
from pipeline.expiry import Expiry
from pipeline.state import Output
from pipeline.total_codec import TotalOut, encode_total, total_id, total_out
from pipeline.versions import offset_of, order_of, version_of
from schemas.measures import ZERO
from schemas.topics import TOTALS
from schemas.window import Basis, Level, Window

GRACE_MS = 2_000  # events of one moment arrive over many connections; two seconds late is not late
FIVE_MINUTES_MS = 300_000
COUNTED, MINUTE, FIVE_MINUTES, HOUR, DAY = str(Basis.COUNTED), *map(str, Window)
# Of a campaign these two are published at once while they are open, what happens and what it has come to today; the
# rest, and ads, with the next flush: every total costs whoever reads it.
EARLY = frozenset({MINUTE, DAY})
Target = tuple[RowKey, Row]


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
        self._topic, self._partition = topic, partition
        self._generation, self._order_base = generation, order_of(generation, 0)
        self._horizon_ms, self._campaign_of = horizon_ms, campaign_of
        self.siblings: Sequence[CountedWindows] = ()
        self.rows: dict[RowKey, list[Any]] = {}
        self.expiry: Expiry[RowKey] = Expiry()
        self.expired_changed = False
        self.outputs: list[Output] = []
        self.clock_ms = -1
        self.guard_to = -1  # up to this offset some rows are further than others
        self._ends: list[int] = []  # heap of the ends of open windows
        self._open: dict[int, list[RowKey]] = {}  # end_ms -> rows that become final together
        # By the identity of the row, which is quicker to look up than its key.
        self._live: dict[int, Target] = {}  # open rows to publish early
        self._dirty: dict[int, Target] = {}  # other open rows, to publish at the next take
        self._changed: dict[int, Target] = {}
        self._corrected: dict[RowKey, None] = {}
        self._given_up: list[RowKey] = []
        self._instants: dict[int, int] = {}  # one object for each, however many rows begin or end then

    def restore(self, key: RowKey, row: list[Any]) -> None:
        self.rows[key] = row
        self.guard_to = max(self.guard_to, offset_of(row[ORDER]))
        if row[FLAGS] & CORRECTED:
            self._corrected[key] = None
        elif not row[FLAGS] & FINAL:
            self._wait_for_end(key, row[END])
        self.expiry.watch(key, self._due(key, row))

    def _due(self, key: RowKey, row: list[Any]) -> int:
        return int(max(row[END], row[AS_OF]) + self._horizon_ms[key[2]])

    # -- panes into rows -------------------------------------------------------------------------------------

    def fold(self, pane: Pane, offset: int, as_of_ms: int, measures: Sequence[int]) -> None:
        """Add what a pane has counted to every row it goes into. The last of its records is at `offset`."""
        order = self._order_base + offset
        added = [(index, n) for index, n in enumerate(measures, MEASURES_AT) if n]
        guarded = offset <= self.guard_to
        changed, live, dirty = self._changed, self._live, self._dirty
        for target in pane.targets or self._targets_of(pane):
            row = target[1]
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
                self._corrected[target[0]] = None
            elif target[0][2] in EARLY and not target[0][1]:
                live[name] = target
            else:
                dirty[name] = target

    def _lengthen(self, row: Row, added: Sequence[tuple[int, int]]) -> None:
        """A measure of this row is met for the first time: `added` was applied up to it, and is applied on from it."""
        missing = len(row)
        row.extend([0] * (added[-1][0] + 1 - missing))
        for index, n in added:
            if index >= missing:
                row[index] += n

    def _targets_of(self, pane: Pane) -> list[Target]:
        """The rows of a pane; none of them is given up while its minute is not over, so that it may keep them.

        It does from the second time on: of a million campaigns most are seen once a minute.
        """
        found = self._look_for_targets(pane)
        if pane.was_folded:
            pane.targets = found
        pane.was_folded = True
        return found

    def _look_for_targets(self, pane: Pane) -> list[Target]:
        campaign, ad_id, minute_ms = pane.campaign, pane.ad_id or "", pane.minute_ms
        key, zone = campaign.key, campaign.zone
        hour_ms, hour_end_ms = zones.hour_at(zone, minute_ms)
        day_ms, day_end_ms = zones.day_at(zone, minute_ms)
        wanted = [((key, ad_id, HOUR, hour_ms), hour_end_ms), ((key, ad_id, DAY, day_ms), day_end_ms)]
        if not ad_id:
            five_ms = minute_ms - minute_ms % FIVE_MINUTES_MS
            wanted += [
                ((key, "", MINUTE, minute_ms), minute_ms + MINUTE_MS),
                ((key, "", FIVE_MINUTES, five_ms), five_ms + FIVE_MINUTES_MS),
            ]
        found = []
        for target, end_ms in wanted:
            row = self.rows.get(target)
            if row is None:
                same = self._instants.setdefault
                row = self._new_row((*target[:3], same(target[3], target[3])), same(end_ms, end_ms))
            if row is not None:
                found.append((target, row))
        return found

    def _new_row(self, key: RowKey, end_ms: int) -> list[Any] | None:
        """None when rows of that day have been given up: it would start again from zero."""
        if self.expiry.is_forgotten(key[2], key[3]):
            return None
        over = end_ms + GRACE_MS <= self.clock_ms
        row = self.rows[key] = [0, 0, 0, FINAL if over else 0, end_ms]
        self.expiry.watch(key, max(end_ms, self.clock_ms) + self._horizon_ms[key[2]])
        if not over:
            self._wait_for_end(key, end_ms)
        return row

    def _wait_for_end(self, key: RowKey, end_ms: int) -> None:
        waiting = self._open.get(end_ms)
        if waiting is None:
            waiting = self._open[end_ms] = []
            heappush(self._ends, end_ms)
        waiting.append(key)

    # -- time ------------------------------------------------------------------------------------------------

    def next_change_ms(self) -> int:
        """When the next window may become final or be given up; far away if there is none."""
        due_ms = self.expiry.next_ms()
        return min(self._ends[0] + GRACE_MS, due_ms) if self._ends else due_ms

    def cross(self, clock_ms: int, offset: int) -> None:
        """The clock comes to `clock_ms` with the record at `offset`, which is not counted yet."""
        self.clock_ms = clock_ms
        self._instants.clear()
        while self._ends and self._ends[0] + GRACE_MS <= clock_ms:
            for key in self._open.pop(heappop(self._ends)):
                row = self.rows.get(key)
                if row is not None and not row[FLAGS] & FINAL:
                    row[FLAGS] |= FINAL
                    self._publish(key, row)
                    self._forget_open(row)
                    self._changed[id(row)] = key, row
        self._publish_corrected(offset)
        self._give_up(clock_ms)

    def _forget_open(self, row: Row) -> None:
        self._live.pop(id(row), None)
        self._dirty.pop(id(row), None)

    def _publish_corrected(self, offset: int) -> None:
        waiting, self._corrected = self._corrected, {}
        for key in waiting:
            row = self.rows[key]
            if offset_of(row[ORDER]) >= offset:
                # Restored ahead of the records that are read again: its turn comes behind the one it has counted.
                self._corrected[key] = None
                continue
            row[FLAGS] &= ~CORRECTED
            row[REVISION] += 1
            self._publish(key, row)
            self._changed[id(row)] = key, row

    def _give_up(self, clock_ms: int) -> None:
        def due_of(key: RowKey) -> int | None:
            row = self.rows.get(key)
            return None if row is None else self._due(key, row)

        for key in self.expiry.due(clock_ms, due_of):
            row = self.rows[key]
            self._publish(key, row, settled=True)
            del self.rows[key]
            self._changed.pop(id(row), None)
            self._forget_open(row)
            self._given_up.append(key)
            self.expired_changed |= self.expiry.forget(key[2], key[3])

    def _publish(self, key: RowKey, row: list[Any], *, settled: bool = False) -> None:
        total = self._total(key, row, settled=settled)
        self.outputs.append((TOTALS, total.total_id.encode(), encode_total(total)))

    def _total(self, key: RowKey, row: list[Any], *, settled: bool) -> TotalOut:
        campaign_key, ad_id, window, start_ms = key
        campaign = self._campaign_of(campaign_key)
        order, as_of_ms, measures = row[ORDER], row[AS_OF], measures_in(row)
        for sibling in self.siblings:
            partial = sibling.rows.get(key)
            if partial is not None:
                order += partial[ORDER] - order_of(self._generation, -1)
                as_of_ms = max(as_of_ms, partial[AS_OF])
                measures = [a + b for a, b in zip(measures, measures_in(partial), strict=True)]
        is_final = bool(row[FLAGS] & FINAL)
        return total_out(
            1,
            total_id(campaign_key, "", ad_id, COUNTED, window, start_ms),
            campaign_key,
            campaign.platform,
            campaign.account_id,
            campaign.campaign_id,
            Level.AD if ad_id else Level.CAMPAIGN,
            "",
            ad_id,
            COUNTED,
            window,
            start_ms,
            row[END],
            campaign.zone,
            campaign.currency,
            *measures,
            as_of_ms,
            row[REVISION],
            is_final,
            settled,
            version_of(order, settled=settled, is_final=is_final),
            self._topic,
            self._partition,
            offset_of(row[ORDER]),
        )

    def differences(self, published: "CountedWindows", order: int) -> list[Output]:
        """Totals to publish so that readers of `published` hold this (rebuilt) state: what differs, what is gone."""
        before, self.outputs = self.outputs, []
        for key, row in self.rows.items():
            known = published.rows.get(key)
            if known is None or _figures(known) != _figures(row) or (known[FLAGS] ^ row[FLAGS]) & FINAL:
                self._publish(key, row)
        for key, known in published.rows.items():
            if key not in self.rows and not self.expiry.is_forgotten(key[2], key[3]):
                self._publish(key, [order, *known[AS_OF:MEASURES_AT], *ZERO])
        differing, self.outputs = self.outputs, before
        return differing

    # -- hand over -------------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        return len(self._changed) + len(self.outputs)

    def take_early(self) -> list[Output]:
        """What was published, and of the open rows that changed those that readers shall see at once."""
        outputs, self.outputs = self.outputs, []
        live, self._live = self._live, {}
        outputs.extend(map(self._as_it_stands, live.values()))
        return outputs

    def take_outputs(self) -> list[Output]:
        """What was published, and every open row that changed as it stands."""
        outputs = self.take_early()
        dirty, self._dirty = self._dirty, {}
        outputs.extend(map(self._as_it_stands, dirty.values()))
        return outputs

    def _as_it_stands(self, target: Target) -> Output:
        total = self._total(*target, settled=False)
        return TOTALS, total.total_id.encode(), encode_total(total)

    def take_rows(self) -> list[tuple[bytes, list[Any]]]:
        changed, self._changed = self._changed, {}
        return [(row_key(key), row) for key, row in changed.values()]

    def take_given_up(self) -> list[tuple[bytes, None]]:
        given_up, self._given_up = self._given_up, []
        self.expired_changed = False
        return [(row_key(key), None) for key in given_up]


def _figures(row: Row) -> tuple[int, list[int]]:
    return row[END], measures_in(row)
