"""Platform reports to totals: every row is a versioned snapshot, a later revision replaces it.

State of one partition of a report topic, a pure function of the prefix of that partition:

- A row is (campaign or ad, window, start) -> the measures of the newest revision. A total of this basis is
  one report row, so replacing the row moves the total by the difference and nothing can be added twice.
- Every change is published at once and in order, never gathered: the judge sees each revision.
- Older revisions than what a completed read has shown are dropped, whether or not that read changed the row.
- "Now" is `fetched_at_ms` of the records. Reports are read at the grain the platform offers; nothing finer is made up.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.changelog import HEADER, STATE_VERSION
from pipeline.codes import BadRecordCode, DropReason, Stage
from pipeline.dead_letters import dead_letter
from pipeline.errors import BadRecord
from pipeline.expiry import Expiry
from pipeline.normalize.google_ads import normalize
from pipeline.reported_campaigns import ReportedCampaigns
from pipeline.reported_rows import (
    BUDGET,
    BUDGET_ID,
    BUDGET_SHARED,
    CAMPAIGN_PREFIX,
    CURRENCY,
    END,
    EXPIRED,
    FETCHED_AT,
    FINAL,
    FLAGS,
    HORIZON_MS,
    MEASURES_AT,
    NAME,
    ORDER,
    READ_PREFIX,
    REVISION,
    SETTLED,
    WIDTH,
    ZONE,
    ProjectOf,
    RowKey,
    read_key,
    row_key,
)
from pipeline.state import SourceRecord, Taken
from pipeline.total_codec import CheckpointOut, encode_checkpoint, encode_total, total_id, total_out
from pipeline.versions import offset_of, order_of, version_of
from schemas.facts import Entity, ReportComplete, Snapshot
from schemas.measures import ZERO
from schemas.platform import campaign_key as key_of
from schemas.topics import CAMPAIGNS, DEAD_LETTERS, TOTALS
from schemas.window import Basis, Level, Window

REPORT_OF = {
    (Level.CAMPAIGN, Window.DAY): "campaign_day",
    (Level.CAMPAIGN, Window.HOUR): "campaign_hour",
    (Level.AD, Window.DAY): "ad_day",
}
READ_DAYS_KEPT = 100  # completed reads are remembered longer than the longest look-back
DAY_MS = 86_400_000
REPORTED = str(Basis.REPORTED)


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
        self._topic, self._partition, self._topic_id = topic, partition, topic_id
        self.generation = generation
        self._horizon_ms = horizon_ms
        self.rows: dict[RowKey, list[Any]] = {}
        self._campaigns = ReportedCampaigns(project_of)
        self._days: dict[str, set[RowKey]] = {}  # campaign key -> its campaign-day rows
        self._read: dict[
            tuple[str, str], dict[str, int]
        ] = {}  # (account, report) -> local date -> fetched_at of a read
        self._expiry: Expiry[RowKey] = Expiry()
        self._clock_ms = -1
        self.counted_to = -1
        self._upto = -1
        self._changed: dict[RowKey, None] = {}
        self._read_changed: dict[tuple[str, str], None] = {}
        self._expired_changed = False
        self._dead_rows: list[RowKey] = []
        self._outputs: list[tuple[str, bytes | None, bytes]] = []
        self._tallies: dict[tuple[str, str], int] = {}

    # -- restore ---------------------------------------------------------------------------------------------

    def load(self, rows: Iterable[tuple[bytes, list[Any]]], *, counted_to: int) -> None:
        self.counted_to = self._upto = counted_to
        for key, row in rows:
            if key == HEADER:
                self._clock_ms = row[4]
            elif key.startswith(CAMPAIGN_PREFIX):
                self._campaigns.restore(key, row)
            elif key.startswith(READ_PREFIX):
                account_id, report = key[len(READ_PREFIX) :].decode().split("|")
                self._read[account_id, report] = dict(row[1])
            elif key == EXPIRED:
                self._expiry.restore(row[1])
            else:
                name = read_key(key)
                self.rows[name] = row
                self._index(name, row)

    def _index(self, key: RowKey, row: list[Any]) -> None:
        if key[3] == Window.DAY and not key[2]:
            self._days.setdefault(key[0], set()).add(key)
        self._expiry.watch(key, self._due(row))

    def _due(self, row: list[Any]) -> int:
        return int(max(row[END], row[FETCHED_AT]) + self._horizon_ms)

    # -- records ---------------------------------------------------------------------------------------------

    def count(self, records: Sequence[SourceRecord]) -> None:
        self._tally("received", "", len(records))
        if records and records[-1].offset <= self.counted_to:
            self._tally("dropped", DropReason.REPLAYED, len(records))
            return
        for record in records:
            if record.offset <= self.counted_to:
                self._tally("dropped", DropReason.REPLAYED)
                continue
            self._upto = record.offset
            if record.value is None:
                self._tally("dropped", DropReason.TICK)
                continue
            try:
                self._count_one(record, record.value)
            except BadRecord as error:
                self._refuse(record, error)

    def _count_one(self, record: SourceRecord, value: bytes) -> None:
        fact = normalize(value)
        if isinstance(fact, Snapshot):
            self._check_key(record, fact.campaign_key)
            self._replace(record, fact)
        elif isinstance(fact, Entity):
            self._check_key(record, key_of(fact.platform, fact.account_id, fact.campaign_id))
            self._describe(record, fact)
        else:
            self._complete(record, fact)

    def _check_key(self, record: SourceRecord, campaign_key: str) -> None:
        if record.key != campaign_key.encode():
            found = (record.key or b"").decode(errors="replace")
            raise BadRecord(BadRecordCode.WRONG_KEY, "campaign.id", f"{campaign_key} is filed under {found!r}")

    def _replace(self, record: SourceRecord, fact: Snapshot) -> None:
        key = (fact.campaign_key, fact.ad_group_id, fact.ad_id, fact.window, fact.start_ms)
        row = self.rows.get(key)
        order = order_of(self.generation, record.offset)
        if row is not None and order <= row[ORDER]:
            self._tally("dropped", DropReason.REPLAYED)
            return
        if (row is not None and fact.fetched_at_ms < row[FETCHED_AT]) or self._is_stale(fact):
            self._tally("dropped", DropReason.STALE_REVISION)
            return
        flags = FINAL * fact.is_final | SETTLED * fact.settled
        if row is None:
            if fact.vanished:
                self._tally("dropped", DropReason.UNCHANGED)
                return
            if self._expiry.is_forgotten(fact.window, fact.start_ms):
                raise BadRecord(
                    BadRecordCode.BEYOND_HORIZON,
                    "segments.date",
                    "the totals of that day have been given up; `pulse replay --rebuild` counts it again",
                )
            row = self.rows[key] = [0] * WIDTH
            row[END], row[REVISION] = fact.end_ms, -1
            row[BUDGET], row[BUDGET_ID], row[BUDGET_SHARED] = None, None, False
            if fact.window == Window.DAY and fact.level == Level.CAMPAIGN:
                self._campaigns.put_budget(fact.campaign_key, row)
            row[FETCHED_AT] = fact.fetched_at_ms
            self._index(key, row)
        elif list(fact.measures) == row[MEASURES_AT:WIDTH] and flags | row[FLAGS] == row[FLAGS]:
            # The newest word on the row is newer now; nothing to publish or to keep. `_read` outlives a restart.
            row[FETCHED_AT] = fact.fetched_at_ms
            self._tally("dropped", DropReason.UNCHANGED)
            return
        row[ORDER] = order
        row[FETCHED_AT] = fact.fetched_at_ms
        row[REVISION] += 1
        row[FLAGS] |= flags
        row[ZONE], row[CURRENCY], row[NAME] = fact.zone, fact.currency, fact.campaign_name
        row[MEASURES_AT:WIDTH] = fact.measures
        self._tally("emitted", "")
        self._publish(key, row)

    def _is_stale(self, fact: Snapshot) -> bool:
        read = self._read.get((fact.account_id, REPORT_OF[Level(fact.level), Window(fact.window)]))
        return read is not None and fact.fetched_at_ms < read.get(fact.date, -1)

    def _describe(self, record: SourceRecord, fact: Entity) -> None:
        key = key_of(fact.platform, fact.account_id, fact.campaign_id)
        order, is_new = order_of(self.generation, record.offset), not self._campaigns.knows(key)
        if self._campaigns.is_old(key, fact, order):
            self._tally("dropped", DropReason.STALE_REVISION)
            return
        message = self._campaigns.describe(key, fact, order)
        if message is None:
            self._tally("dropped", DropReason.UNCHANGED)
            return
        self._tally("emitted", "")
        self._outputs.append((CAMPAIGNS, key.encode(), message))
        # A budget holds from the day it is in force; days before the campaign was known get the first one we hear of.
        for day_key in sorted(self._days.get(key, ())):
            day = self.rows[day_key]
            if (day[END] > fact.as_of_ms or is_new) and self._campaigns.put_budget(key, day):
                day[ORDER] = order
                self._publish(day_key, day)

    def _complete(self, record: SourceRecord, fact: ReportComplete) -> None:
        read = self._read.setdefault((fact.account_id, fact.report), {})
        for date in fact.dates:
            read[date] = max(read.get(date, -1), fact.fetched_at_ms)
        for date in sorted(read)[:-READ_DAYS_KEPT]:
            del read[date]
        self._read_changed[fact.account_id, fact.report] = None
        self._tally("dropped", DropReason.TICK)
        checkpoint = CheckpointOut(
            1, "report_complete", self._topic, self._partition, record.offset, self.generation, fact.fetched_at_ms
        )
        self._outputs.append((TOTALS, None, encode_checkpoint(checkpoint)))
        if fact.fetched_at_ms > self._clock_ms:
            self._clock_ms = fact.fetched_at_ms
            self._forget()

    def _refuse(self, record: SourceRecord, error: BadRecord) -> None:
        self._tally("dead", error.code)
        letter = dead_letter(error, stage=Stage.AGGREGATE, topic=self._topic, partition=self._partition, record=record)
        self._outputs.append((DEAD_LETTERS, record.key, letter))

    def _forget(self) -> None:
        def due_of(key: RowKey) -> int | None:
            row = self.rows.get(key)
            return None if row is None else self._due(row)

        for key in self._expiry.due(self._clock_ms, due_of):
            del self.rows[key]
            self._days.get(key[0], set()).discard(key)
            self._changed.pop(key, None)
            self._dead_rows.append(key)
            self._expired_changed |= self._expiry.forget(key[3], key[4])

    def _publish(self, key: RowKey, row: list[Any]) -> None:
        campaign_key, ad_group_id, ad_id, window, start_ms = key
        platform, account_id, campaign_id = campaign_key.split(":", 2)
        name, status = self._campaigns.name_and_status(campaign_key)
        is_final, settled = bool(row[FLAGS] & FINAL), bool(row[FLAGS] & SETTLED)
        total = total_out(
            1,
            total_id(campaign_key, ad_group_id, ad_id, REPORTED, window, start_ms),
            campaign_key,
            platform,
            account_id,
            campaign_id,
            Level.AD if ad_id else Level.CAMPAIGN,
            ad_group_id,
            ad_id,
            REPORTED,
            window,
            start_ms,
            row[END],
            row[ZONE],
            row[CURRENCY],
            *row[MEASURES_AT:WIDTH],
            row[FETCHED_AT],
            row[REVISION],
            is_final,
            settled,
            version_of(row[ORDER], settled=settled, is_final=is_final),
            self._topic,
            self._partition,
            offset_of(row[ORDER]),
            name or row[NAME],
            status,
            row[BUDGET],
            row[BUDGET_ID],
            row[BUDGET_SHARED],
        )
        self._changed[key] = None
        self._outputs.append((TOTALS, total.total_id.encode(), encode_total(total)))

    def differences(self, published: "ReportedState") -> list[tuple[str, bytes | None, bytes]]:
        """Totals to publish so that readers of `published` hold this (rebuilt) state: what differs, what is gone."""
        before, self._outputs = self._outputs, []
        for key, row in self.rows.items():
            known = published.rows.get(key)
            if known is None or known[FLAGS:] != row[FLAGS:]:
                self._publish(key, row)
        for key, known in published.rows.items():
            if key not in self.rows and not self._expiry.is_forgotten(key[3], key[4]):
                order = order_of(self.generation, self._upto)
                self._publish(key, [order, *known[FETCHED_AT:MEASURES_AT], *ZERO])
        differing, self._outputs = self._outputs, before
        return differing

    # -- hand over -------------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        return len(self._changed) + len(self._outputs)

    @property
    def clock_ms(self) -> int:
        """The time this partition has come to, by its own records."""
        return self._clock_ms

    def take(self) -> Taken:
        outputs, self._outputs = self._outputs, []
        order = order_of(self.generation, self._upto)
        # What rows rest on comes before them, in case only the beginning of this is written.
        rows = self._campaigns.take()
        if self._expired_changed:
            rows.append((EXPIRED, [order, self._expiry.dump()]))
        rows.extend((row_key(key), self.rows[key]) for key in self._changed)
        for account_id, report in self._read_changed:
            read = self._read[account_id, report]
            rows.append((READ_PREFIX + f"{account_id}|{report}".encode(), [order, sorted(read.items())]))
        if rows or self._upto > self.counted_to:
            rows.append((HEADER, [order, STATE_VERSION, self._upto, self._topic_id, self._clock_ms]))
        # Behind the header: what is deleted must not be missing when the same records are read again.
        rows.extend((row_key(key), None) for key in self._dead_rows)
        self.counted_to = max(self.counted_to, self._upto)
        self._changed, self._read_changed, self._dead_rows = {}, {}, []
        self._expired_changed = False
        return Taken(outputs, rows, self._upto)

    def _tally(self, kind: str, label: str, n: int = 1) -> None:
        key = (kind, label)
        self._tallies[key] = self._tallies.get(key, 0) + n

    def tallies(self) -> dict[tuple[str, str], int]:
        tallies, self._tallies = self._tallies, {}
        return tallies
