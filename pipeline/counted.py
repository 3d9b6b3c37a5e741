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

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

from pipeline import events, zones
from pipeline.changelog import HEADER, STATE_VERSION, NewestRows
from pipeline.codes import BadRecordCode, DropReason
from pipeline.counted_kept import CAMPAIGN_PREFIX, kept_campaigns
from pipeline.counted_letters import CountedLetters, foreign
from pipeline.counted_panes import MINUTE_MS, Pane
from pipeline.counted_restore import RowsInC
from pipeline.counted_rows import DAY_MS, HORIZON_MS, Campaign, Row
from pipeline.counted_slots import DAY, GRACE_MS
from pipeline.counted_windows import CountedWindows
from pipeline.errors import BadRecord
from pipeline.event_ids import PREFIX as IDS_PREFIX
from pipeline.events import MAX_AHEAD_MS, MIN_AT_MS, measures_of
from pipeline.outputs import Outputs, Pack, Parts
from pipeline.per_record import BUILT, counters
from pipeline.state import KeptRow, Output, SourceRecord, Taken
from pipeline.total_codec import CheckpointOut, encode_checkpoint
from pipeline.versions import order_of
from schemas.topics import TOTALS

CROSSING_MS = 1_000
ROWS_OF_PANE = 4  # of a campaign; one of an ad has two
_offset = attrgetter("offset")
EXPIRED = b"\x00expired"


class CountedState:
    """Implements `pipeline.state.StageState` for one (event topic, partition, assignment).

    `in_c`: what is touched for every record in C; it is so wherever that was built. Where several sources of a
    partition feed the same totals, each has a state, and their `windows` are siblings. `pack`: of totals made in C.
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
        in_c: bool = BUILT,
        pack: Pack | None = None,
    ) -> None:
        self._topic, self._partition, self._topic_id = topic, partition, topic_id
        self.generation = generation
        self._ids, self._panes = counters(dedupe_horizon_h, in_c=in_c)
        self.campaigns = self._panes.campaigns
        self.windows = CountedWindows(
            topic,
            partition,
            generation=generation,
            horizon_ms={**HORIZON_MS, **(horizon_ms or {})},
            campaigns=self.campaigns,
            in_c=in_c,
            pack=pack,
        )
        self._letters = CountedLetters(topic, partition, self.windows, self.campaigns, self._tally)
        self._in_c = in_c
        self.counted_to = -1  # every record up to here is in every row
        self._upto = -1
        self._campaigns_changed: list[bytes] = []
        self._from_ms = MIN_AT_MS  # what happened before asks for a closer look
        self._tallies: dict[tuple[str, str], int] = {}

    # -- restore ---------------------------------------------------------------------------------------------

    def load(self, rows: Iterable[tuple[bytes, list[Any]]], *, counted_to: int) -> None:
        self.counted_to = self._upto = self.windows.guard_to = counted_to
        if self._in_c and isinstance(rows, NewestRows) and rows.in_c is not None:
            self.windows.restore(RowsInC(rows, self.campaigns, self._panes.learn, self._ids, self._load_other))
        else:
            self.windows.restore(self._load_others(rows))
        if self.clock_ms >= 0:
            self._ids.advance(self.clock_ms)

    def _load_others(self, rows: Iterable[tuple[bytes, list[Any]]]) -> Iterator[tuple[bytes, Row]]:
        """Take over everything but the rows of windows, which are given back."""
        for key, row in rows:
            if key[0]:
                yield key, row
            elif key.startswith(IDS_PREFIX):
                self._ids.load(key, row)
            else:
                self._load_other(key, row)

    def _load_other(self, key: bytes, row: list[Any]) -> None:
        if key.startswith(CAMPAIGN_PREFIX):
            campaign = key[len(CAMPAIGN_PREFIX) :]
            self._panes.learn(campaign, Campaign(campaign.decode(), zone=row[1], currency=row[2]))
        elif key.startswith(IDS_PREFIX):
            self._ids.load(key, row)
        elif key == HEADER:
            self.windows.clock_ms = row[4]
        elif key == EXPIRED:
            self.windows.expiry.restore(row[1])
            self._look_closer()

    # -- records ---------------------------------------------------------------------------------------------

    def count(self, records: Sequence[SourceRecord]) -> None:
        self._tally("received", "", len(records))
        position = bisect_right(records, self.counted_to, key=_offset)
        if position:
            self._tally("dropped", DropReason.REPLAYED, position)
        panes, ids, end = self._panes, self._ids, len(records)
        while position < end:
            position = panes.count(
                records, position, self._next_crossing_ms(), self._from_ms, self.windows.guard_to, ids
            )
            if panes.firsts:
                self._came_to_know(panes.firsts)
                panes.firsts.clear()
            if panes.refused:
                self._letters.put_off(panes.refused)
                panes.refused.clear()
            if position < end:
                self._look_at(records[position])
                position += 1
        self._letters.write()
        if records:
            self._upto = max(self._upto, records[-1].offset)

    def _next_crossing_ms(self) -> int:
        clock_ms = self.clock_ms
        return clock_ms - clock_ms % CROSSING_MS + CROSSING_MS if clock_ms >= 0 else 0

    def _look_at(self, record: SourceRecord) -> None:
        """Everything that is not a plain event of a known campaign."""
        value = record.value
        # A tick is a crossing even within the same second: whoever sent it has nothing more to say for that time.
        if record.timestamp >= self._next_crossing_ms() or value is None:
            self._cross(max(record.timestamp, self.clock_ms), record.offset)
        if value is None:
            self._tally("dropped", DropReason.TICK)
            return
        try:
            self._count_one(record, value)
        except BadRecord as error:
            self._letters.refuse(record, error)

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
        minute_ms = at_ms - at_ms % MINUTE_MS
        if not self._panes.holds(campaign, event.ad_id, minute_ms):
            self._refuse_forgotten(campaign, at_ms)
        self._panes.counted += 1
        if not self._ids.add(f"{campaign.key}|{event.event_id}"):
            self._panes.repeated += 1
        elif record.offset <= self.windows.guard_to:
            for ad_id in {event.ad_id: None, None: None}:
                pane = Pane(campaign, ad_id, minute_ms)
                self.windows.fold([(pane, record.offset, received_ms, list(measures_of(event)))])
        else:
            self._panes.add(campaign, event.ad_id, minute_ms, record.offset, received_ms, measures_of(event))

    def _came_to_know(self, names: list[bytes]) -> None:  # by their first event
        self._tally("unknown_campaign", "", len(names))
        self._campaigns_changed += names

    def _look_closer(self) -> None:
        """At events of days that may have been given up."""
        days = self.windows.expiry.forgotten.get(DAY)
        if days:
            self._from_ms = max(MIN_AT_MS, (max(days) + 2) * DAY_MS)

    def _campaign(self, record: SourceRecord, event: events.EventIn) -> Campaign:
        campaign = self.campaigns.get(record.key or b"")
        if campaign is None:
            # The first event of a campaign is read with all checks: what is true of its ids and zone stays true.
            events.check_first(event, record.key or b"", record.value or b"", record.timestamp)
            campaign = Campaign((record.key or b"").decode(), zone=event.zone or "UTC", currency=event.currency or "")
            self._panes.learn(record.key or b"", campaign)
            self._came_to_know([record.key or b""])
            return campaign
        found = foreign(campaign, event)
        if found is not None:
            raise BadRecord(*found)
        if event.currency is not None and not campaign.currency:
            campaign.currency = event.currency
            self._panes.learn(record.key or b"", campaign)
            self._campaigns_changed.append(record.key or b"")
        return campaign

    def _refuse_forgotten(self, campaign: Campaign, at_ms: int) -> None:
        if not self.windows.expiry.forgotten:
            return
        start_ms, _ = zones.day_at(campaign.zone, at_ms)
        if self.windows.expiry.is_forgotten(DAY, start_ms) and not self.windows.holds(campaign.key, DAY, start_ms):
            raise BadRecord(
                BadRecordCode.BEYOND_HORIZON,
                "at",
                "the totals of that day have been given up; `pulse replay --rebuild` counts it again",
            )

    # -- panes into rows -------------------------------------------------------------------------------------

    def _fold_panes(self, clock_ms: int) -> None:
        """Minutes are counted record by record, everything larger from them: when a window ends, or at a take.

        Panes of minutes that are over at `clock_ms` are gone then: the rows they point to may be given up.
        """
        self.windows.fold(self._panes.drain(clock_ms - GRACE_MS))

    # -- time ------------------------------------------------------------------------------------------------

    def _cross(self, clock_ms: int, offset: int) -> None:
        windows = self.windows
        if min(self._panes.oldest_ms + MINUTE_MS + GRACE_MS, windows.next_change_ms()) <= clock_ms:
            self._fold_panes(clock_ms)  # before the clock moves: what they hold came before this record
        self._ids.advance(clock_ms)
        before = len(windows.outputs)
        windows.cross(clock_ms, offset)
        self._look_closer()
        if len(windows.outputs) > before:
            checkpoint = CheckpointOut(1, "tick", self._topic, self._partition, offset, self.generation, clock_ms)
            windows.outputs.append((TOTALS, None, encode_checkpoint(checkpoint)))

    def differences(self, published: "CountedState") -> list[Output]:
        """Totals to publish so that readers of `published` hold this (rebuilt) state."""
        self._fold_panes(self.clock_ms)
        for name, campaign in published.campaigns.items():
            self.campaigns.setdefault(name, campaign)
        return self.windows.differences(published.windows, order_of(self.generation, self._upto))

    # -- hand over -------------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        return self.windows.pending + ROWS_OF_PANE * len(self._panes)

    @property
    def clock_ms(self) -> int:
        """The time this partition has come to, by its own records."""
        return self.windows.clock_ms

    def publish(self) -> Outputs:
        self._fold_panes(self.clock_ms)
        return self.windows.take_early()

    def take(self) -> Taken:
        self._fold_panes(self.clock_ms)
        outputs = self.windows.take_outputs()
        windows, order = self.windows, order_of(self.generation, self._upto)
        # What rows rest on comes before them, in case only the beginning of this is written.
        campaigns = kept_campaigns(self._campaigns_changed, self.campaigns, order, in_c=self._in_c)
        expired = [(EXPIRED, [order, windows.expiry.dump()])] if windows.expired_changed else []
        changed = windows.take_rows()
        rest: list[tuple[bytes, KeptRow]] = [*self._ids.take(order)]  # after the rows: an id that is known is counted
        if campaigns or expired or changed or rest or self._upto > self.counted_to:
            rest.append((HEADER, [order, STATE_VERSION, self._upto, self._topic_id, windows.clock_ms]))
        # Behind the header: what is deleted must not be missing when the same records are read again.
        rest.extend(windows.take_given_up())
        rest.extend(self._ids.take_expired())
        self.counted_to = max(self.counted_to, self._upto)
        self._campaigns_changed = []
        return Taken(outputs, Parts([campaigns, expired, changed, rest]), self._upto)

    def _tally(self, kind: str, label: str, n: int = 1) -> None:
        key = (kind, label)
        self._tallies[key] = self._tallies.get(key, 0) + n

    def tallies(self) -> dict[tuple[str, str], int]:
        tallies, self._tallies = self._tallies, {}
        panes = self._panes
        if panes.repeated:
            tallies["dropped", DropReason.DUPLICATE] = panes.repeated
        tallies["emitted", ""] = panes.counted - panes.repeated
        panes.counted = panes.repeated = 0
        return tallies
