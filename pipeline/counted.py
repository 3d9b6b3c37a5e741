"""Increments to totals: each event counted once, in every window it belongs to.

State of one partition of an event topic, a pure function of the prefix of that partition:

- A row is (campaign or ad, window, start) -> the measures counted so far and the order of the last record in them.
- The clock of the partition is the highest record timestamp; ticks move it when nobody sends. Each time it
  enters another second there is a *crossing*: windows that are over by `GRACE_MS` become final, and windows
  corrected by late events are published again, both as they stand just before the record that crossed.
  What the judge sees is therefore the same however records are batched and however often work is repeated.
- Open windows are published as they stand whenever the shell flushes.
- Several sources may feed one total: each keeps its own partial rows, and a publication adds the partials.
"""

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

from pipeline import events, zones
from pipeline.changelog import HEADER, STATE_VERSION
from pipeline.codes import BadRecordCode, DropReason, Stage
from pipeline.counted_panes import (
    CONVERSIONS_AT,
    COUNTED_AT,
    PANE_MEASURES_AT,
    REVENUE_AT,
    SPEND_AT,
    PaneKey,
    add_to_pane,
    conversions_of,
    pane_of,
)
from pipeline.counted_rows import (
    AS_OF,
    CORRECTED,
    END,
    FINAL,
    FLAGS,
    HORIZON_MS,
    MEASURES_AT,
    ORDER,
    REVISION,
    Campaign,
    RowKey,
    read_key,
    row_key,
)
from pipeline.dead_letters import dead_letter
from pipeline.errors import BadRecord
from pipeline.event_ids import PREFIX as IDS_PREFIX
from pipeline.event_ids import EventIds
from pipeline.events import MAX_AHEAD_MS, MAX_EVENT_BYTES, MIN_AT_MS, decode_unchecked, fits
from pipeline.expiry import Expiry
from pipeline.state import SourceRecord, Taken
from pipeline.total_codec import CheckpointOut, TotalOut, encode_checkpoint, encode_total, total_id, total_out
from pipeline.versions import offset_of, order_of, version_of
from schemas.measures import ZERO
from schemas.topics import DEAD_LETTERS, TOTALS
from schemas.window import Basis, Level, Window

CROSSING_MS = 1_000
GRACE_MS = 2_000  # events of one moment arrive over many connections; two seconds late is not late
MINUTE_MS, FIVE_MINUTES_MS = 60_000, 300_000
CAMPAIGN_PREFIX, EXPIRED = b"\x00campaign|", b"\x00expired"
NEVER = 2**62
COUNTED, MINUTE, FIVE_MINUTES, HOUR, DAY = str(Basis.COUNTED), *map(str, Window)


class CountedState:
    """Implements `pipeline.state.StageState` for one (event topic, partition, assignment).

    `siblings`: the states of the other sources of the same partition whose rows feed the same totals.
    """

    def __init__(
        self,
        topic: str,
        partition: int,
        *,
        topic_id: str = "",
        generation: int = 0,
        dedupe_horizon_h: int = 24,
        horizon_ms: dict[str, int] | None = None,
        siblings: Sequence["CountedState"] = (),
    ) -> None:
        self._topic, self._partition, self._topic_id = topic, partition, topic_id
        self.generation = generation
        self.siblings = siblings
        self._horizon_ms = {**HORIZON_MS, **(horizon_ms or {})}
        self.rows: dict[RowKey, list[Any]] = {}
        self._campaigns: dict[bytes | None, Campaign] = {}
        self._ids = EventIds(dedupe_horizon_h)
        self._expiry: Expiry[RowKey] = Expiry()
        self._ends: list[tuple[int, int]] = []  # heap of (end_ms, serial) of open windows
        self._open: dict[int, list[RowKey]] = {}  # end_ms -> rows that become final together
        self._clock_ms = -1
        self.counted_to = -1  # every record up to here is in every row
        self._guard_to = -1  # up to here some rows are further than others
        self._upto = -1
        self._dirty: dict[RowKey, None] = {}  # open rows to publish at the next take
        self._changed: dict[RowKey, None] = {}
        self._corrected: dict[RowKey, None] = {}
        self._campaigns_changed: list[bytes] = []
        self._expired_changed = False
        self._dead_rows: list[RowKey] = []
        self._outputs: list[tuple[str, bytes | None, bytes]] = []
        self._panes: dict[PaneKey, list[int]] = {}
        self._fold_at = NEVER
        self._order_base = order_of(generation, 0)
        self._tallies: dict[tuple[str, str], int] = {}

    # -- restore ---------------------------------------------------------------------------------------------

    def load(self, rows: Iterable[tuple[bytes, list[Any]]], *, counted_to: int) -> None:
        self.counted_to = self._upto = counted_to
        guard = counted_to
        for key, row in rows:
            if key == HEADER:
                self._clock_ms = row[4]
            elif key.startswith(IDS_PREFIX):
                self._ids.load(key, row)
            elif key.startswith(CAMPAIGN_PREFIX):
                campaign = key[len(CAMPAIGN_PREFIX) :]
                self._campaigns[campaign] = Campaign(campaign.decode(), zone=row[1], currency=row[2])
            elif key == EXPIRED:
                self._expiry.restore(row[1])
            else:
                name = read_key(key)
                self.rows[name] = row
                guard = max(guard, offset_of(row[ORDER]))
                self._watch(name, row)
        if self._clock_ms >= 0:
            self._ids.advance(self._clock_ms)
        self._guard_to = guard

    def _watch(self, key: RowKey, row: list[Any]) -> None:
        if row[FLAGS] & CORRECTED:
            self._corrected[key] = None
        elif not row[FLAGS] & FINAL:
            self._wait_for_end(key, row[END])
        self._expiry.watch(key, self._due(key, row))

    def _due(self, key: RowKey, row: list[Any]) -> int:
        return int(max(row[END], row[AS_OF]) + self._horizon_ms[key[2]])

    # -- records ---------------------------------------------------------------------------------------------

    def count(self, records: Sequence[SourceRecord]) -> None:
        self._tally("received", "", len(records))
        if records and records[-1].offset <= self.counted_to:
            self._tally("dropped", DropReason.REPLAYED, len(records))
            return
        counted_to, count_fast = self.counted_to, self._count_fast
        next_crossing = self._clock_ms - self._clock_ms % CROSSING_MS + CROSSING_MS if self._clock_ms >= 0 else 0
        for record in records:
            offset, timestamp, value = record.offset, record.timestamp, record.value
            if offset <= counted_to:
                self._tally("dropped", DropReason.REPLAYED)
                continue
            if timestamp >= next_crossing:
                self._cross(timestamp, offset)
                next_crossing = timestamp - timestamp % CROSSING_MS + CROSSING_MS
            self._upto = offset
            if value is None:
                self._tally("dropped", DropReason.TICK)
            elif not count_fast(record.key, value, offset, timestamp):
                try:
                    self._count_one(record, value)
                except BadRecord as error:
                    self._refuse(record, error)

    def _count_fast(self, key: bytes | None, value: bytes, offset: int, timestamp: int) -> bool:
        """Count an event about which everything is known: its campaign, its minute, its good form.

        False when something is not, and nothing was changed: `_count_one` then looks at everything.
        """
        try:
            event = decode_unchecked(value)
        except (ValueError, RecursionError):
            return False
        campaign = self._campaigns.get(key)
        at_ms = event.at
        if campaign is None or at_ms.__class__ is not int or offset <= self._guard_to:
            return False
        pane_key = (campaign, event.ad_id, at_ms - at_ms % MINUTE_MS)
        pane = self._panes.get(pane_key)
        if (
            (pane is None and (self._expiry.forgotten or at_ms < MIN_AT_MS or not fits(event.ad_id, event.currency)))
            or event.campaign_id != campaign.campaign_id
            or event.account_id != campaign.account_id
            or event.platform != campaign.platform
            or (event.currency is not None and event.currency != campaign.currency)
            or (event.zone is not None and event.zone != campaign.zone)
            or len(value) > MAX_EVENT_BYTES
            or at_ms > timestamp + MAX_AHEAD_MS
        ):
            return False
        ids = self._ids
        name = f"{campaign.key}|{event.event_id}"
        known = ids.seen.get(name)
        if known != ids.hour:
            ids.seen[name] = ids.hour
            ids.names.append(name)
        if known is not None:
            self._tally("dropped", DropReason.DUPLICATE)
            return True
        if pane is None:
            pane = self._new_pane(pane_key)
        pane[0] = offset
        if timestamp > pane[1]:
            pane[1] = timestamp
        index = COUNTED_AT[event.type]
        if index == CONVERSIONS_AT or event.conversions_micros is not None:
            pane[CONVERSIONS_AT] += conversions_of(event)
        if index != CONVERSIONS_AT:
            pane[index] += event.count
        if event.spend_micros:
            pane[SPEND_AT] += event.spend_micros
        if event.revenue_micros:
            pane[REVENUE_AT] += event.revenue_micros
        return True

    def _count_one(self, record: SourceRecord, value: bytes) -> None:
        received_ms = record.timestamp
        try:
            event = events.decode(value)
        except (ValueError, BadRecord):
            raise events.refusal(value, received_ms) from None
        at_ms = events.at_ms(event)
        if not MIN_AT_MS <= at_ms <= received_ms + MAX_AHEAD_MS:
            raise events.refusal(value, received_ms)
        campaign = self._campaign(record, event)
        pane_key = (campaign, event.ad_id, at_ms - at_ms % MINUTE_MS)
        pane = self._panes.get(pane_key)
        if pane is None:
            self._refuse_forgotten(campaign, at_ms)
        if not self._ids.add(f"{campaign.key}|{event.event_id}"):
            self._tally("dropped", DropReason.DUPLICATE)
            return
        if record.offset <= self._guard_to:
            self._fold_pane(pane_key, pane_of(record.offset, received_ms, event))
        else:
            add_to_pane(pane or self._new_pane(pane_key), record.offset, received_ms, event)

    def _new_pane(self, pane_key: PaneKey) -> list[int]:
        pane = self._panes[pane_key] = [0, 0, *ZERO]
        # When rows of this pane may be wanted: at the end of its minute; at the next crossing if it is late.
        self._fold_at = min(self._fold_at, pane_key[2] + MINUTE_MS + GRACE_MS)
        return pane

    def _campaign(self, record: SourceRecord, event: events.EventIn) -> Campaign:
        campaign = self._campaigns.get(record.key or b"")
        if campaign is None:
            # The first event of a campaign is read with all checks: what is true of its ids and zone stays true.
            events.check_first(event, record.key or b"", record.value or b"", record.timestamp)
            campaign = Campaign((record.key or b"").decode(), zone=event.zone or "UTC", currency=event.currency or "")
            self._campaigns[record.key or b""] = campaign
            self._campaigns_changed.append(record.key or b"")
            return campaign
        if not campaign.is_of(event.platform, event.account_id, event.campaign_id):
            raise BadRecord(BadRecordCode.WRONG_KEY, "campaign_id", f"the record is filed under {campaign.key}")
        if event.zone is not None and event.zone != campaign.zone:
            raise BadRecord(BadRecordCode.BAD_ZONE, "zone", f"the days of {campaign.key} are those of {campaign.zone}")
        if event.currency is not None and event.currency != campaign.currency:
            if campaign.currency:
                raise BadRecord(
                    BadRecordCode.BAD_CURRENCY, "currency", f"{campaign.key} is counted in {campaign.currency}"
                )
            campaign.currency = event.currency
            self._campaigns_changed.append(record.key or b"")
        return campaign

    def _refuse_forgotten(self, campaign: Campaign, at_ms: int) -> None:
        if not self._expiry.forgotten:
            return
        start_ms, _ = zones.day_at(campaign.zone, at_ms)
        if self._expiry.is_forgotten(DAY, start_ms) and (campaign.key, "", DAY, start_ms) not in self.rows:
            raise BadRecord(
                BadRecordCode.BEYOND_HORIZON,
                "at",
                "the totals of that day have been given up; `pulse replay --rebuild` counts it again",
            )

    def _refuse(self, record: SourceRecord, error: BadRecord) -> None:
        self._tally("dead", error.code)
        letter = dead_letter(error, stage=Stage.AGGREGATE, topic=self._topic, partition=self._partition, record=record)
        self._outputs.append((DEAD_LETTERS, record.key, letter))

    # -- panes into rows -------------------------------------------------------------------------------------

    def _fold_panes(self) -> None:
        """Minutes are counted record by record, everything larger from them: when a window ends, or at a take."""
        panes, self._panes = self._panes, {}
        self._fold_at = NEVER
        for pane_key, pane in panes.items():
            self._fold_pane(pane_key, pane)

    def _fold_pane(self, pane_key: PaneKey, pane: list[int]) -> None:
        campaign, ad, minute_ms = pane_key
        ad_id = ad or ""
        key, add = campaign.key, self._add
        added = [(index, n) for index, n in enumerate(pane[PANE_MEASURES_AT:], MEASURES_AT) if n]
        five_ms = minute_ms - minute_ms % FIVE_MINUTES_MS
        hour_ms, hour_end_ms = zones.hour_at(campaign.zone, minute_ms)
        day_ms, day_end_ms = zones.day_at(campaign.zone, minute_ms)
        add((key, "", MINUTE, minute_ms), minute_ms + MINUTE_MS, pane, added)
        add((key, "", FIVE_MINUTES, five_ms), five_ms + FIVE_MINUTES_MS, pane, added)
        add((key, "", HOUR, hour_ms), hour_end_ms, pane, added)
        add((key, "", DAY, day_ms), day_end_ms, pane, added)
        if ad_id:
            add((key, ad_id, HOUR, hour_ms), hour_end_ms, pane, added)
            add((key, ad_id, DAY, day_ms), day_end_ms, pane, added)

    def _add(self, key: RowKey, end_ms: int, pane: list[int], added: list[tuple[int, int]]) -> None:
        offset, as_of_ms = pane[0], pane[1]
        order = self._order_base + offset
        row = self.rows.get(key)
        if row is None:
            row = self._new_row(key, end_ms)
            if row is None:
                return
        elif offset <= self._guard_to and order <= row[ORDER]:
            return  # read again after a restart: this row was further than the others
        if order > row[ORDER]:  # panes of one batch come in any order
            row[ORDER] = order
        row[AS_OF] = max(row[AS_OF], as_of_ms)
        for index, n in added:
            row[index] += n
        self._changed[key] = None
        if row[FLAGS] & FINAL:
            row[FLAGS] |= CORRECTED
            self._corrected[key] = None
        else:
            self._dirty[key] = None

    def _new_row(self, key: RowKey, end_ms: int) -> list[Any] | None:
        """None when rows of that day have been given up: it would start again from zero."""
        if self._expiry.is_forgotten(key[2], key[3]):
            return None
        over = end_ms + GRACE_MS <= self._clock_ms
        row = self.rows[key] = [0, 0, 0, FINAL if over else 0, end_ms, *ZERO]
        self._expiry.watch(key, max(end_ms, self._clock_ms) + self._horizon_ms[key[2]])
        if not over:
            self._wait_for_end(key, end_ms)
        return row

    def _wait_for_end(self, key: RowKey, end_ms: int) -> None:
        waiting = self._open.get(end_ms)
        if waiting is None:
            waiting = self._open[end_ms] = []
            heappush(self._ends, (end_ms, 0))
        waiting.append(key)

    # -- time ------------------------------------------------------------------------------------------------

    def _cross(self, clock_ms: int, offset: int) -> None:
        if self._fold_at <= clock_ms or (self._ends and self._ends[0][0] + GRACE_MS <= clock_ms):
            self._fold_panes()  # before the clock moves: what they hold came before this record
        self._clock_ms = clock_ms
        self._ids.advance(clock_ms)
        final = len(self._outputs)
        while self._ends and self._ends[0][0] + GRACE_MS <= clock_ms:
            end_ms, _ = heappop(self._ends)
            for key in self._open.pop(end_ms):
                row = self.rows.get(key)
                if row is not None and not row[FLAGS] & FINAL:
                    row[FLAGS] |= FINAL
                    self._publish(key, row)
                    self._dirty.pop(key, None)
                    self._changed[key] = None
        self._publish_corrected(offset)
        self._forget(clock_ms)
        if len(self._outputs) > final:
            checkpoint = CheckpointOut(1, "tick", self._topic, self._partition, offset, self.generation, clock_ms)
            self._outputs.append((TOTALS, None, encode_checkpoint(checkpoint)))

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
            self._changed[key] = None

    def _forget(self, clock_ms: int) -> None:
        def due_of(key: RowKey) -> int | None:
            row = self.rows.get(key)
            return None if row is None else self._due(key, row)

        for key in self._expiry.due(clock_ms, due_of):
            row = self.rows[key]
            self._publish(key, row, settled=True)
            del self.rows[key]
            self._changed.pop(key, None)
            self._dead_rows.append(key)
            self._expired_changed |= self._expiry.forget(key[2], key[3])

    def _publish(self, key: RowKey, row: list[Any], *, settled: bool = False) -> None:
        self._tally("emitted", "")
        total = self._total(key, row, settled=settled)
        self._outputs.append((TOTALS, total.total_id.encode(), encode_total(total)))

    def _total(self, key: RowKey, row: list[Any], *, settled: bool) -> TotalOut:
        campaign_key, ad_id, window, start_ms = key
        campaign = self._campaigns[campaign_key.encode()]
        order, as_of_ms, measures = row[ORDER], row[AS_OF], row[MEASURES_AT:]
        for sibling in self.siblings:
            partial = sibling.rows.get(key)
            if partial is not None:
                order += partial[ORDER] - order_of(self.generation, -1)
                as_of_ms = max(as_of_ms, partial[AS_OF])
                measures = [a + b for a, b in zip(measures, partial[MEASURES_AT:], strict=True)]
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

    def differences(self, published: "CountedState") -> list[tuple[str, bytes | None, bytes]]:
        """Totals to publish so that readers of `published` hold this (rebuilt) state: what differs, what is gone."""
        before, self._outputs = self._outputs, []
        for key, row in self.rows.items():
            known = published.rows.get(key)
            if known is None or known[END:] != row[END:] or (known[FLAGS] ^ row[FLAGS]) & FINAL:
                self._publish(key, row)
        for key, known in published.rows.items():
            if key not in self.rows and not self._expiry.is_forgotten(key[2], key[3]):
                name = key[0].encode()
                self._campaigns.setdefault(name, published._campaigns[name])  # noqa: SLF001 - of this class
                self._publish(key, [order_of(self.generation, self._upto), *known[AS_OF:MEASURES_AT], *ZERO])
        differing, self._outputs = self._outputs, before
        return differing

    # -- hand over -------------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        return len(self._changed) + len(self._outputs) + len(self._panes)

    @property
    def clock_ms(self) -> int:
        """The time this partition has come to, by its own records."""
        return self._clock_ms

    def take(self) -> Taken:
        self._fold_panes()
        outputs, self._outputs = self._outputs, []
        for key in self._dirty:
            total = self._total(key, self.rows[key], settled=False)
            outputs.append((TOTALS, total.total_id.encode(), encode_total(total)))
        self._tally("emitted", "", len(self._dirty))
        order = order_of(self.generation, self._upto)
        rows: list[tuple[bytes, list[Any] | None]] = []
        # What rows rest on comes before them, in case only the beginning of this is written.
        for name in self._campaigns_changed:
            campaign = self._campaigns[name]
            rows.append((CAMPAIGN_PREFIX + name, [order, campaign.zone, campaign.currency]))
        if self._expired_changed:
            rows.append((EXPIRED, [order, self._expiry.dump()]))
        rows.extend((row_key(key), self.rows[key]) for key in self._changed)
        rows.extend(self._ids.take(order))  # after the rows: an id that is known is counted
        moved = self._upto > self.counted_to
        if rows or moved:
            rows.append((HEADER, [order, STATE_VERSION, self._upto, self._topic_id, self._clock_ms]))
        # Behind the header: what is deleted must not be missing when the same records are read again.
        rows.extend((row_key(key), None) for key in self._dead_rows)
        rows.extend(self._ids.take_expired())
        self.counted_to = max(self.counted_to, self._upto)
        self._dirty, self._changed, self._dead_rows, self._campaigns_changed = {}, {}, [], []
        self._expired_changed = False
        return Taken(outputs, rows, self._upto)

    def _tally(self, kind: str, label: str, n: int = 1) -> None:
        key = (kind, label)
        self._tallies[key] = self._tallies.get(key, 0) + n

    def tallies(self) -> dict[tuple[str, str], int]:
        tallies, self._tallies = self._tallies, {}
        return tallies
