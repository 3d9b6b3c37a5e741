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
from typing import Any

from pipeline import events, zones
from pipeline.changelog import HEADER, STATE_VERSION
from pipeline.codes import BadRecordCode, DropReason, Stage
from pipeline.counted_panes import (
    CONVERSIONS_AT,
    COUNTED_AT,
    REVENUE_AT,
    SPEND_AT,
    PaneKey,
    add_to_pane,
    conversions_of,
    pane_of,
)
from pipeline.counted_rows import HORIZON_MS, Campaign, read_key
from pipeline.counted_windows import DAY, GRACE_MS, MINUTE_MS, CountedWindows, Output
from pipeline.dead_letters import dead_letter
from pipeline.errors import BadRecord
from pipeline.event_ids import PREFIX as IDS_PREFIX
from pipeline.event_ids import EventIds
from pipeline.events import MAX_AHEAD_MS, MAX_EVENT_BYTES, MIN_AT_MS, decode_unchecked, fits
from pipeline.state import SourceRecord, Taken
from pipeline.total_codec import CheckpointOut, encode_checkpoint
from pipeline.versions import order_of
from schemas.measures import ZERO
from schemas.topics import DEAD_LETTERS, TOTALS

CROSSING_MS = 1_000
CAMPAIGN_PREFIX, EXPIRED = b"\x00campaign|", b"\x00expired"
NEVER = 2**62


class CountedState:
    """Implements `pipeline.state.StageState` for one (event topic, partition, assignment).

    Where several sources of a partition feed the same totals, each has a state, and their `windows` are siblings.
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
    ) -> None:
        self._topic, self._partition, self._topic_id = topic, partition, topic_id
        self.generation = generation
        self.campaigns: dict[bytes | None, Campaign] = {}
        self.windows = CountedWindows(
            topic,
            partition,
            generation=generation,
            horizon_ms={**HORIZON_MS, **(horizon_ms or {})},
            campaign_of=lambda key: self.campaigns[key.encode()],
        )
        self._ids = EventIds(dedupe_horizon_h)
        self.counted_to = -1  # every record up to here is in every row
        self._upto = -1
        self._campaigns_changed: list[bytes] = []
        self._panes: dict[PaneKey, list[int]] = {}
        self._fold_at = NEVER
        self._counted = 0  # records that had an effect, since the last tallies
        self._tallies: dict[tuple[str, str], int] = {}

    # -- restore ---------------------------------------------------------------------------------------------

    def load(self, rows: Iterable[tuple[bytes, list[Any]]], *, counted_to: int) -> None:
        self.counted_to = self._upto = self.windows.guard_to = counted_to
        for key, row in rows:
            if key == HEADER:
                self.windows.clock_ms = row[4]
            elif key.startswith(IDS_PREFIX):
                self._ids.load(key, row)
            elif key.startswith(CAMPAIGN_PREFIX):
                campaign = key[len(CAMPAIGN_PREFIX) :]
                self.campaigns[campaign] = Campaign(campaign.decode(), zone=row[1], currency=row[2])
            elif key == EXPIRED:
                self.windows.expiry.restore(row[1])
            else:
                self.windows.restore(read_key(key), row)
        if self.clock_ms >= 0:
            self._ids.advance(self.clock_ms)

    # -- records ---------------------------------------------------------------------------------------------

    def count(self, records: Sequence[SourceRecord]) -> None:
        self._tally("received", "", len(records))
        if records and records[-1].offset <= self.counted_to:
            self._tally("dropped", DropReason.REPLAYED, len(records))
            return
        counted_to, count_fast = self.counted_to, self._count_fast
        clock_ms = self.windows.clock_ms
        next_crossing = clock_ms - clock_ms % CROSSING_MS + CROSSING_MS if clock_ms >= 0 else 0
        for record in records:
            offset, timestamp, value = record.offset, record.timestamp, record.value
            if offset <= counted_to:
                self._tally("dropped", DropReason.REPLAYED)
                continue
            # A tick is a crossing even within the same second: whoever sent it has nothing more to say for that time.
            if timestamp >= next_crossing or value is None:
                self._cross(max(timestamp, self.clock_ms), offset)
                next_crossing = self.clock_ms - self.clock_ms % CROSSING_MS + CROSSING_MS
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
        campaign = self.campaigns.get(key)
        at_ms = event.at
        if campaign is None or at_ms.__class__ is not int or offset <= self.windows.guard_to:
            return False
        pane_key = (campaign, event.ad_id, at_ms - at_ms % MINUTE_MS)
        pane = self._panes.get(pane_key)
        if (
            (
                pane is None
                and (self.windows.expiry.forgotten or at_ms < MIN_AT_MS or not fits(event.ad_id, event.currency))
            )
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
        self._counted += 1
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
        self._counted += 1
        if record.offset <= self.windows.guard_to:
            self.windows.fold(pane_key, pane_of(record.offset, received_ms, event))
        else:
            add_to_pane(pane or self._new_pane(pane_key), record.offset, received_ms, event)

    def _new_pane(self, pane_key: PaneKey) -> list[int]:
        pane = self._panes[pane_key] = [0, 0, *ZERO]
        # When rows of this pane may be wanted: at the end of its minute; at the next crossing if it is late.
        self._fold_at = min(self._fold_at, pane_key[2] + MINUTE_MS + GRACE_MS)
        return pane

    def _campaign(self, record: SourceRecord, event: events.EventIn) -> Campaign:
        campaign = self.campaigns.get(record.key or b"")
        if campaign is None:
            # The first event of a campaign is read with all checks: what is true of its ids and zone stays true.
            events.check_first(event, record.key or b"", record.value or b"", record.timestamp)
            campaign = Campaign((record.key or b"").decode(), zone=event.zone or "UTC", currency=event.currency or "")
            self.campaigns[record.key or b""] = campaign
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
        if not self.windows.expiry.forgotten:
            return
        start_ms, _ = zones.day_at(campaign.zone, at_ms)
        if (
            self.windows.expiry.is_forgotten(DAY, start_ms)
            and (campaign.key, "", DAY, start_ms) not in self.windows.rows
        ):
            raise BadRecord(
                BadRecordCode.BEYOND_HORIZON,
                "at",
                "the totals of that day have been given up; `pulse replay --rebuild` counts it again",
            )

    def _refuse(self, record: SourceRecord, error: BadRecord) -> None:
        self._tally("dead", error.code)
        letter = dead_letter(error, stage=Stage.AGGREGATE, topic=self._topic, partition=self._partition, record=record)
        self.windows.outputs.append((DEAD_LETTERS, record.key, letter))

    # -- panes into rows -------------------------------------------------------------------------------------

    def _fold_panes(self) -> None:
        """Minutes are counted record by record, everything larger from them: when a window ends, or at a take."""
        panes, self._panes = self._panes, {}
        self._fold_at = NEVER
        for pane_key, pane in panes.items():
            self.windows.fold(pane_key, pane)

    # -- time ------------------------------------------------------------------------------------------------

    def _cross(self, clock_ms: int, offset: int) -> None:
        windows = self.windows
        end_ms = windows.next_end_ms()
        if self._fold_at <= clock_ms or (end_ms is not None and end_ms <= clock_ms):
            self._fold_panes()  # before the clock moves: what they hold came before this record
        self._ids.advance(clock_ms)
        before = len(windows.outputs)
        windows.cross(clock_ms, offset)
        if len(windows.outputs) > before:
            checkpoint = CheckpointOut(1, "tick", self._topic, self._partition, offset, self.generation, clock_ms)
            windows.outputs.append((TOTALS, None, encode_checkpoint(checkpoint)))

    def differences(self, published: "CountedState") -> list[Output]:
        """Totals to publish so that readers of `published` hold this (rebuilt) state."""
        self._fold_panes()
        for name, campaign in published.campaigns.items():
            self.campaigns.setdefault(name, campaign)
        return self.windows.differences(published.windows, order_of(self.generation, self._upto))

    # -- hand over -------------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        return self.windows.pending + len(self._panes)

    @property
    def clock_ms(self) -> int:
        """The time this partition has come to, by its own records."""
        return self.windows.clock_ms

    def take(self) -> Taken:
        self._fold_panes()
        windows, order = self.windows, order_of(self.generation, self._upto)
        outputs = windows.take_outputs()
        rows: list[tuple[bytes, list[Any] | None]] = []
        # What rows rest on comes before them, in case only the beginning of this is written.
        for name in self._campaigns_changed:
            campaign = self.campaigns[name]
            rows.append((CAMPAIGN_PREFIX + name, [order, campaign.zone, campaign.currency]))
        if windows.expired_changed:
            rows.append((EXPIRED, [order, windows.expiry.dump()]))
        rows.extend(windows.take_rows())
        rows.extend(self._ids.take(order))  # after the rows: an id that is known is counted
        if rows or self._upto > self.counted_to:
            rows.append((HEADER, [order, STATE_VERSION, self._upto, self._topic_id, windows.clock_ms]))
        # Behind the header: what is deleted must not be missing when the same records are read again.
        rows.extend(windows.take_given_up())
        rows.extend(self._ids.take_expired())
        self.counted_to = max(self.counted_to, self._upto)
        self._campaigns_changed = []
        return Taken(outputs, rows, self._upto)

    def _tally(self, kind: str, label: str, n: int = 1) -> None:
        key = (kind, label)
        self._tallies[key] = self._tallies.get(key, 0) + n

    def tallies(self) -> dict[tuple[str, str], int]:
        tallies, self._tallies = self._tallies, {}
        tallies["emitted", ""], self._counted = self._counted, 0
        return tallies
