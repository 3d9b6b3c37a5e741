"""Platform reports to totals: every row is a versioned snapshot, a later revision replaces it.

State of one partition of a report topic, a pure function of the prefix of that partition:

- A row is (campaign or ad, window, start) -> the measures of the newest revision. A total of this basis is
  one report row, so replacing the row moves the total by the difference and nothing can be added twice.
- Every change is published at once and in order, never gathered: the judge sees each revision.
- Older revisions than what a completed read has shown are dropped, whether or not that read changed the row.
- "Now" is `fetched_at_ms` of the records. Reports are read at the grain the platform offers; nothing finer is made up.
- Most rows of a read are as they were: those are known by their bytes (`reported_frames`).
"""

from collections.abc import Iterable, Sequence
from sys import intern
from typing import Any

from pipeline.changelog import HEADER, STATE_VERSION
from pipeline.codes import BadRecordCode, DropReason
from pipeline.errors import BadRecord
from pipeline.expiry import Expiry
from pipeline.normalize.google_ads import normalize, read_behind, read_figures
from pipeline.normalize.google_ads_head import NOTHING, Head, Parts, head_of, parts_of
from pipeline.reported_campaigns import ReportedCampaigns
from pipeline.reported_frames import Frames, frame_of
from pipeline.reported_hand_over import HandOver
from pipeline.reported_reads import CompletedReads
from pipeline.reported_rows import (
    CAMPAIGN_PREFIX,
    CURRENCY,
    END,
    EXPIRED,
    FETCHED_AT,
    FIGURES,
    FINAL,
    FLAGS,
    HORIZON_MS,
    KEY,
    NAME,
    NAMED,
    ORDER,
    READ_PREFIX,
    REVISION,
    SAME_UNTIL,
    SEEN,
    SETTLED,
    ZONE,
    ProjectOf,
    RowKey,
    new_row,
    read_key,
    restored,
)
from pipeline.state import Output, SourceRecord, Taken
from pipeline.tallies import EMITTED, Tallies
from pipeline.versions import order_of
from schemas.facts import Entity, ReportComplete, Snapshot
from schemas.measures import ZERO
from schemas.platform import campaign_key as key_of
from schemas.window import Window

DAY = str(Window.DAY)
STALE_MS = -1  # before every row: a run that is older than a completed read is looked at row by row


class ReportedState:
    """Implements `pipeline.state.StageState` for one (report topic, partition, assignment)."""

    def __init__(
        self,
        topic: str,
        partition: int,
        *,
        project_of: ProjectOf,
        topic_id: str = "",
        generation: int = 0,
        horizon_ms: int = HORIZON_MS,
    ) -> None:
        self._topic_id = topic_id
        self.generation = generation
        self._horizon_ms = horizon_ms
        self.rows: dict[RowKey, list[Any]] = {}
        self._frames = Frames()
        self._campaigns = ReportedCampaigns(project_of)
        self._days: dict[str, set[RowKey]] = {}  # campaign key -> its campaign-day rows
        self._reads = CompletedReads()
        self._expiry: Expiry[RowKey] = Expiry()
        self._expired_changed = False
        self._clock_ms = -1
        self.counted_to = -1
        self._upto = -1
        self._out = HandOver(topic, partition)
        self._tallies = Tallies()

    # -- restore ---------------------------------------------------------------------------------------------

    def load(self, rows: Iterable[tuple[bytes, list[Any]]], *, counted_to: int) -> None:
        self.counted_to = self._upto = counted_to
        for key, row in rows:
            if key == HEADER:
                self._clock_ms = row[4]
            elif key.startswith(CAMPAIGN_PREFIX):
                self._campaigns.restore(key, row)
            elif key.startswith(READ_PREFIX):
                self._reads.restore(key, row)
            elif key == EXPIRED:
                self._expiry.restore(row[1])
            else:
                name = read_key(key)
                self.rows[name] = restored(name, row)
                self._index(name, row)

    def _index(self, key: RowKey, row: list[Any]) -> None:
        if key[3] == DAY and not key[2]:
            self._days.setdefault(key[0], set()).add(key)
        self._expiry.watch(key, self._due(row))

    def _due(self, row: list[Any]) -> int:
        return int(max(row[END], row[FETCHED_AT]) + self._horizon_ms)

    # -- records ---------------------------------------------------------------------------------------------

    def count(self, records: Sequence[SourceRecord]) -> None:
        self._tallies.add("received", "", len(records))
        if records and records[-1].offset <= self.counted_to:
            self._tallies.add("dropped", DropReason.REPLAYED, len(records))
            return
        framed, unchanged = self._frames.rows, 0
        head, prefix, fetched_at_ms = None, NOTHING, STALE_MS
        for record in records:
            if record.offset <= self.counted_to:
                self._tallies.add("dropped", DropReason.REPLAYED)
                continue
            self._upto = record.offset
            value = record.value
            if value is None:
                self._tallies.add("dropped", DropReason.TICK)
                continue
            if not value.startswith(prefix):
                head = head_of(value)
                prefix = NOTHING if head is None else head.prefix
                fetched_at_ms = STALE_MS if head is None else self._fresh(head)
            parts, frame = None, 0
            if head is not None and (parts := parts_of(head, value)) is not None:
                frame = frame_of(head, record.key, parts)
                row = framed.get(frame)
                if row is not None and row[FETCHED_AT] <= fetched_at_ms < row[SAME_UNTIL]:
                    if row[SEEN] == hash(parts[1]):
                        row[FETCHED_AT] = fetched_at_ms
                        unchanged += 1
                        continue
                    if row[NAMED] and self._revise(row, record.offset, fetched_at_ms, parts[1]):
                        continue
            if not self._count_one(record, value, head, parts, frame):
                head, prefix = None, NOTHING  # a read that has just completed may be newer than this run
        if unchanged:
            self._tallies.add("dropped", DropReason.UNCHANGED, unchanged)

    def _fresh(self, head: Head) -> int:
        """When the run of this head was fetched, if that is no less than any completed read."""
        at_ms = head.fetched_at_ms
        return at_ms if at_ms >= self._reads.newest_ms(head.place) else STALE_MS

    def _revise(self, row: list[Any], offset: int, fetched_at_ms: int, figures: bytes) -> bool:
        """Other figures for a row of which nothing else has changed; False if they are not plain."""
        measures = read_figures(figures)
        if measures is None:
            return False
        row[SEEN] = hash(figures)
        if measures == row[FIGURES]:
            self._keep(row, fetched_at_ms)
        else:
            self._change(row, order_of(self.generation, offset), fetched_at_ms, measures)
        return True

    def _count_one(
        self, record: SourceRecord, value: bytes, head: Head | None, parts: Parts | None, frame: int
    ) -> bool:
        """False for a record that is not about one row."""
        try:
            fact: Snapshot | Entity | ReportComplete | None = None if head is None else read_behind(head, value)
            if fact is None:
                fact = normalize(value)
            if isinstance(fact, Snapshot):
                self._check_key(record, fact.campaign_key)
                row = self._replace(record, fact)
                if row is not None and parts is None:
                    self._frames.drop(row)
                elif row is not None and parts is not None:
                    named = row[ZONE : NAME + 1] == [fact.zone, fact.currency, fact.campaign_name]
                    self._frames.put(row, frame, parts, fact.same_until_ms, named=named)
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
            self._keep(row, fact.fetched_at_ms)
            return row
        row[FLAGS] |= flags
        row[ZONE], row[CURRENCY], row[NAME] = fact.zone, fact.currency, intern(fact.campaign_name)
        self._change(row, order, fact.fetched_at_ms, fact.measures)
        return row

    def _keep(self, row: list[Any], fetched_at_ms: int) -> None:
        """The newest word on the row is newer now; nothing to publish or to keep, for `_reads` outlive a restart."""
        row[FETCHED_AT] = fetched_at_ms
        self._tallies.add("dropped", DropReason.UNCHANGED)

    def _change(self, row: list[Any], order: int, fetched_at_ms: int, measures: tuple[int, ...]) -> None:
        row[ORDER] = order
        row[FETCHED_AT] = fetched_at_ms
        row[REVISION] += 1
        row[FIGURES] = measures
        self._tallies.counts[EMITTED] += 1
        self._publish(row[KEY], row)

    def _begin(self, key: RowKey, fact: Snapshot) -> list[Any]:
        if self._expiry.is_forgotten(fact.window, fact.start_ms):
            raise BadRecord(
                BadRecordCode.BEYOND_HORIZON,
                "segments.date",
                "the totals of that day have been given up; `pulse replay --rebuild` counts it again",
            )
        row = self.rows[key] = new_row(key, fact.end_ms, fact.fetched_at_ms)
        if fact.window == DAY and not fact.ad_id:
            self._campaigns.put_budget(fact.campaign_key, row)
            # The entity report of a run comes first: a campaign it does not have is none the platform lists.
            if fact.campaign_key not in self._days and not self._campaigns.knows(fact.campaign_key):
                self._tallies.add("unknown_campaign")
        self._index(key, row)
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
        for day_key in sorted(self._days.get(key, ())):
            day = self.rows[day_key]
            if (day[END] > fact.as_of_ms or is_new) and self._campaigns.put_budget(key, day):
                day[ORDER] = order
                self._publish(day_key, day)

    def _complete(self, record: SourceRecord, fact: ReportComplete) -> None:
        self._reads.complete(fact)
        self._tallies.add("dropped", DropReason.TICK)
        self._out.checkpoint(record.offset, self.generation, fact.fetched_at_ms)
        if fact.fetched_at_ms > self._clock_ms:
            self._clock_ms = fact.fetched_at_ms
            self._forget()

    def _forget(self) -> None:
        def due_of(key: RowKey) -> int | None:
            row = self.rows.get(key)
            return None if row is None else self._due(row)

        for key in self._expiry.due(self._clock_ms, due_of):
            self._frames.drop(self.rows.pop(key))
            self._days.get(key[0], set()).discard(key)
            self._out.gone(key)
            self._expired_changed |= self._expiry.forget(key[3], key[4])

    def _publish(self, key: RowKey, row: list[Any]) -> None:
        name, status = self._campaigns.name_and_status(key[0])
        self._out.total(key, row, name, status)

    def differences(self, published: "ReportedState") -> list[Output]:
        """Totals to publish so that readers of `published` hold this (rebuilt) state: what differs, what is gone."""
        before = self._out.take_outputs()
        for key, row in self.rows.items():
            known = published.rows.get(key)
            if known is None or known[FLAGS:KEY] != row[FLAGS:KEY]:
                self._publish(key, row)
        for key, known in published.rows.items():
            if key not in self.rows and not self._expiry.is_forgotten(key[3], key[4]):
                order = order_of(self.generation, self._upto)
                self._publish(key, [order, *known[FETCHED_AT:FIGURES], ZERO, key])
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
        rows = self._campaigns.take()
        if self._expired_changed:
            rows.append((EXPIRED, [order, self._expiry.dump()]))
        rows.extend(self._out.take_changed(self.rows))
        rows.extend(self._reads.take(order))
        if rows or self._upto > self.counted_to:
            rows.append((HEADER, [order, STATE_VERSION, self._upto, self._topic_id, self._clock_ms]))
        # Behind the header: what is deleted must not be missing when the same records are read again.
        rows.extend(self._out.take_gone())
        self.counted_to = max(self.counted_to, self._upto)
        self._expired_changed = False
        return Taken(self._out.take_outputs(), rows, self._upto)

    def tallies(self) -> dict[tuple[str, str], int]:
        return self._tallies.take()
