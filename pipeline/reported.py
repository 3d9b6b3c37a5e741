"""Platform reports to totals: every row is a versioned snapshot, a later revision replaces it.

State of one partition of a report topic, a pure function of the prefix of that partition:

- A row is (campaign or ad, window, start) -> the measures of the newest revision. A total of this basis is
  one report row, so replacing the row moves the total by the difference and nothing can be added twice.
- Every change is published at once and in order, never gathered: the judge sees each revision.
- Older revisions than what a completed read has shown are dropped, whether or not that read changed the row.
- "Now" is `fetched_at_ms` of the records. Reports are read at the grain the platform offers; nothing finer is made up.
- Most rows of a read are as they were: those are known by their bytes (`reported_frames`, `reported_known`).
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from operator import attrgetter
from sys import intern
from typing import Any

from pipeline.changelog import HEADER, STATE_VERSION
from pipeline.codes import BadRecordCode, DropReason
from pipeline.errors import BadRecord
from pipeline.normalize.google_ads import normalize, read_behind
from pipeline.normalize.google_ads_head import head_of, parts_of
from pipeline.per_record import BUILT
from pipeline.reported_campaigns import ReportedCampaigns
from pipeline.reported_hand_over import HandOver
from pipeline.reported_known import STALE_MS, KnownRows
from pipeline.reported_reads import CompletedReads
from pipeline.reported_rows import (
    CAMPAIGN_PREFIX,
    CURRENCY,
    END,
    FETCHED_AT,
    FIGURES,
    FINAL,
    FLAGS,
    HORIZON_MS,
    KEY,
    NAME,
    ORDER,
    READ_PREFIX,
    SETTLED,
    ZONE,
    ProjectOf,
    RowKey,
    new_row,
)
from pipeline.reported_table import DAY, RowTable
from pipeline.state import KeptRow, Output, SourceRecord, Taken
from pipeline.tallies import EMITTED, Tallies
from pipeline.versions import order_of
from schemas.facts import Entity, ReportComplete, Snapshot
from schemas.measures import ZERO
from schemas.platform import campaign_key as key_of

_offset = attrgetter("offset")


class ReportedState:
    """Implements `pipeline.state.StageState` for one (report topic, partition, assignment).

    `in_c`: what is touched for every record in C; it is so wherever that was built.
    """

    def __init__(
        self,
        topic: str,
        partition: int,
        *,
        project_of: ProjectOf,
        topic_id: str = "",
        generation: int = 0,
        horizon_ms: int = HORIZON_MS,
        in_c: bool = BUILT,
    ) -> None:
        self._topic_id = topic_id
        self.generation = generation
        self._table = RowTable(horizon_ms)
        self.rows = self._table.rows
        self._campaigns = ReportedCampaigns(project_of)
        self._reads = CompletedReads()
        self._clock_ms = -1
        self.counted_to = -1
        self._upto = -1
        self._out = HandOver(topic, partition, in_c=in_c)
        self._tallies = Tallies()
        self._known = KnownRows(self._campaigns, self._out, self._tallies, generation, in_c=in_c)

    def load(self, rows: Iterable[tuple[bytes, list[Any]]], *, counted_to: int) -> None:
        self.counted_to = self._upto = counted_to
        for key, row in rows:
            if key == HEADER:
                self._clock_ms = row[4]
            elif key.startswith(CAMPAIGN_PREFIX):
                self._campaigns.restore(key, row)
            elif key.startswith(READ_PREFIX):
                self._reads.restore(key, row)
            else:
                self._table.restore(key, row)

    # -- records ---------------------------------------------------------------------------------------------

    def count(self, records: Sequence[SourceRecord]) -> None:
        known, end = self._known, len(records)
        self._tallies.add("received", "", end)
        position = bisect_right(records, self.counted_to, key=_offset)
        if position:
            self._tallies.add("dropped", DropReason.REPLAYED, position)
        if position == end:
            return
        while (position := known.count(records, position)) < end:
            record = records[position]
            value = record.value
            if value is None:
                self._tallies.add("dropped", DropReason.TICK)
            elif not known.is_of_run(value) and self._turn_to_run(value):
                continue
            elif not self._count_one(record, value):
                known.turn_to(None, STALE_MS)  # a read that has just completed may be newer than this run
            position += 1
        self._upto = records[-1].offset

    def _turn_to_run(self, value: bytes) -> bool:
        """False if this is no record of one, and nothing has changed."""
        head = head_of(value)
        if head is None:
            return False
        # Fetched no earlier than any completed read began: none of its rows can be older than one.
        is_fresh = head.fetched_at_ms >= self._reads.newest_ms(head.place)
        self._known.turn_to(head, head.fetched_at_ms if is_fresh else STALE_MS)
        return True

    def _count_one(self, record: SourceRecord, value: bytes) -> bool:
        """False for a record that is not about one row."""
        known = self._known
        head = known.head if known.is_of_run(value) else None
        try:
            fact: Snapshot | Entity | ReportComplete | None = None if head is None else read_behind(head, value)
            if fact is None:
                fact = normalize(value)
            if isinstance(fact, Snapshot):
                self._check_key(record, fact.campaign_key)
                row = self._replace(record, fact)
                parts = None if head is None else parts_of(head, value)
                if row is not None and (head is None or parts is None):
                    known.frames.drop(row)
                elif row is not None and head is not None and parts is not None:
                    named = row[ZONE : NAME + 1] == [fact.zone, fact.currency, fact.campaign_name]
                    frame = known.frames.number_of(head, record.key, parts)
                    known.frames.put(row, frame, parts, fact.same_until_ms, named=named)
                return True
            if isinstance(fact, Entity):
                self._check_key(record, key_of(fact.platform, fact.account_id, fact.campaign_id))
                self._describe(record, fact)
            else:
                self._complete(record, fact)
        except BadRecord as error:
            self._tallies.add("dead", error.code)
            self._out.letter(record, error)
        return False

    def _check_key(self, record: SourceRecord, campaign_key: str) -> None:
        if record.key != campaign_key.encode():
            found = (record.key or b"").decode(errors="replace")
            raise BadRecord(BadRecordCode.WRONG_KEY, "campaign.id", f"{campaign_key} is filed under {found!r}")

    def _replace(self, record: SourceRecord, fact: Snapshot) -> list[Any] | None:
        """The row if it stands as the fact says now; None if the fact does not count."""
        key = (fact.campaign_key, fact.ad_group_id, fact.ad_id, fact.window, fact.start_ms)
        row = self.rows.get(key)
        order = order_of(self.generation, record.offset)
        if row is not None and order <= row[ORDER]:
            self._tallies.add("dropped", DropReason.REPLAYED)
            return None
        if (row is not None and fact.fetched_at_ms < row[FETCHED_AT]) or self._is_stale(fact):
            self._tallies.add("dropped", DropReason.STALE_REVISION)
            return None
        flags = FINAL * fact.is_final | SETTLED * fact.settled
        if row is None:
            if fact.vanished:
                self._tallies.add("dropped", DropReason.UNCHANGED)
                return None
            row = self._begin(key, fact)
        elif fact.measures == row[FIGURES] and flags | row[FLAGS] == row[FLAGS]:
            # The newest word on it is newer now; nothing to publish or to keep, for `_reads` outlive a restart.
            row[FETCHED_AT] = fact.fetched_at_ms
            self._tallies.add("dropped", DropReason.UNCHANGED)
            return row
        row[FLAGS] |= flags
        row[ZONE], row[CURRENCY], row[NAME] = fact.zone, fact.currency, intern(fact.campaign_name)
        self._tallies.counts[EMITTED] += 1
        self._known.revise(row, record.offset, fact.fetched_at_ms, fact.measures)
        return row

    def _begin(self, key: RowKey, fact: Snapshot) -> list[Any]:
        if self._table.is_forgotten(fact.window, fact.start_ms):
            raise BadRecord(
                BadRecordCode.BEYOND_HORIZON,
                "segments.date",
                "the totals of that day have been given up; `pulse replay --rebuild` counts it again",
            )
        row = new_row(key, fact.end_ms, fact.fetched_at_ms)
        if fact.window == DAY and not fact.ad_id:
            self._campaigns.put_budget(fact.campaign_key, row)
            # The entity report of a run comes first: a campaign it does not have is none the platform lists.
            if not self._table.has_days(fact.campaign_key) and not self._campaigns.knows(fact.campaign_key):
                self._tallies.add("unknown_campaign")
        self._table.put(key, row)
        return row

    def _is_stale(self, fact: Snapshot) -> bool:
        return self._reads.are_newer(fact)

    def _describe(self, record: SourceRecord, fact: Entity) -> None:
        key = key_of(fact.platform, fact.account_id, fact.campaign_id)
        order, is_new = order_of(self.generation, record.offset), not self._campaigns.knows(key)
        if self._campaigns.is_old(key, fact, order):
            self._tallies.add("dropped", DropReason.STALE_REVISION)
            return
        message = self._campaigns.describe(key, fact, order)
        if message is None:
            self._tallies.add("dropped", DropReason.UNCHANGED)
            return
        self._tallies.add("emitted")
        self._out.campaign(key, message)
        # A budget holds from the day it is in force; days before the campaign was known get the first one we hear of.
        for day_key in self._table.days_of(key):
            day = self.rows[day_key]
            if (day[END] > fact.as_of_ms or is_new) and self._campaigns.put_budget(key, day):
                day[ORDER] = order
                self._known.publish(day)

    def _complete(self, record: SourceRecord, fact: ReportComplete) -> None:
        self._reads.complete(fact)
        self._tallies.add("dropped", DropReason.TICK)
        self._out.checkpoint(record.offset, self.generation, fact.fetched_at_ms)
        if fact.fetched_at_ms > self._clock_ms:
            self._clock_ms = fact.fetched_at_ms
            for key, row in self._table.forget(self._clock_ms):
                self._known.frames.drop(row)
                self._out.gone(key)

    def differences(self, published: "ReportedState") -> list[Output]:
        """Totals to publish so that readers of `published` hold this (rebuilt) state: what differs, what is gone."""
        before = self._out.take_outputs()
        for key, row in self.rows.items():
            known = published.rows.get(key)
            if known is None or known[FLAGS:KEY] != row[FLAGS:KEY]:
                self._known.publish(row)
        for key, known in published.rows.items():
            if key not in self.rows and not self._table.is_forgotten(key[3], key[4]):
                order = order_of(self.generation, self._upto)
                self._known.publish([order, *known[FETCHED_AT:FIGURES], ZERO, key])
                self._out.keep_nothing(key)
        differing, self._out.outputs = self._out.take_outputs(), before
        return differing

    # -- hand over -------------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        return self._out.pending

    @property
    def clock_ms(self) -> int:
        """The time this partition has come to, by its own records."""
        return self._clock_ms

    def publish(self) -> list[Output]:
        return self._out.take_outputs()

    def take(self) -> Taken:
        order = order_of(self.generation, self._upto)
        # What rows rest on comes before them, in case only the beginning of this is written.
        rows: list[tuple[bytes, KeptRow]] = [*self._campaigns.take(), *self._table.take(order)]
        rows.extend(self._out.take_changed())
        rows.extend(self._reads.take(order))
        if rows or self._upto > self.counted_to:
            rows.append((HEADER, [order, STATE_VERSION, self._upto, self._topic_id, self._clock_ms]))
        # Behind the header: what is deleted must not be missing when the same records are read again.
        rows.extend(self._out.take_gone())
        self.counted_to = max(self.counted_to, self._upto)
        return Taken(self._out.take_outputs(), rows, self._upto)

    def tallies(self) -> dict[tuple[str, str], int]:
        return self._tallies.take()
