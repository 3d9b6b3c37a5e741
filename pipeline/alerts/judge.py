"""The judge of one partition of the totals topic: totals and checkpoints in, alerts and public events out.

A pure function of the sequence of distinct versions and checkpoints:
- a total whose version is not above the one last seen of its id changes nothing, whatever its offset;
- a share of a budget is judged on every new version of a day;
- ratios and baselines are judged on final hours, at a checkpoint of their basis, for campaigns that changed since.
State is one row per campaign, and the header: the checkpoints seen and the clock of each basis.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pipeline.alerts.alert_out import TOPIC_OF, alert_of, encode
from pipeline.alerts.campaign_state import DAYS_KEPT_MS, CampaignState
from pipeline.alerts.due import Due
from pipeline.alerts.public_events import Publisher
from pipeline.alerts.rulebook import Rulebook
from pipeline.alerts.series import Series
from pipeline.alerts.statement import Statement
from pipeline.alerts.total_in import read_checkpoint, read_total
from pipeline.alerts.verdicts import COUNTED, expires_ms, judge_checkpoint, next_due_ms, take_day, take_hour
from pipeline.alerts.worth_judging import worth_judging
from pipeline.changelog import HEADER, STATE_VERSION
from pipeline.codes import DropReason, Stage
from pipeline.dead_letters import dead_letter
from pipeline.errors import BadRecord
from pipeline.state import Output, SourceRecord, Taken
from pipeline.versions import order_of
from schemas.rule import Rule
from schemas.topics import BUDGET_DAYS, DEAD_LETTERS, EVENTS_CAMPAIGN, TOTALS
from schemas.window import Basis, Window

DAY = str(Window.DAY)
BASIS_OF = {"report_complete": str(Basis.REPORTED), "tick": str(Basis.COUNTED)}  # kind of a checkpoint -> basis


class Judge:
    """Implements `pipeline.state.StageState` for one (totals topic, partition, assignment)."""

    def __init__(
        self,
        rules: Sequence[Rule],
        partition: int,
        *,
        project_of: Callable[[str, str], str],
        topic_id: str = "",
        link_base: str = "",
    ) -> None:
        self._rulebook = Rulebook(rules)
        self._partition, self._topic_id = partition, topic_id
        self._project_of, self._link_base = project_of, link_base.rstrip("/")
        self._campaigns: dict[str, CampaignState] = {}
        self._seen: dict[tuple[str, int], tuple[int, int]] = {}  # (topic, partition) -> (generation, offset)
        self._clock_ms: dict[str, int] = {}  # basis -> instant of its last checkpoint
        self._dirty: dict[str, set[str]] = {str(basis): set() for basis in Basis}
        self._due: dict[str, Due] = {str(basis): Due() for basis in Basis}
        self.counted_to = -1
        self._upto = -1
        self._changed: dict[str, None] = {}
        self._outputs: list[Output] = []
        self._tallies: dict[tuple[str, str], int] = {}

    # -- restore ---------------------------------------------------------------------------------------------

    def load(self, rows: Iterable[tuple[bytes, list[Any]]], *, counted_to: int) -> None:
        self.counted_to = self._upto = counted_to
        for key, row in rows:
            if key == HEADER:
                self._clock_ms = dict(row[4])
                self._seen = {
                    (topic, partition): (generation, offset) for topic, partition, generation, offset in row[5]
                }
                continue
            campaign = CampaignState.restore(key.decode(), row)
            self._campaigns[campaign.key] = campaign
            for basis, state in campaign.bases.items():
                if state.is_dirty:
                    self._dirty[basis].add(campaign.key)
                self._due[basis].schedule(campaign.key, next_due_ms(state, self._rulebook))

    # -- records ---------------------------------------------------------------------------------------------

    def count(self, records: Sequence[SourceRecord]) -> None:
        self._tally("received", "", len(records))
        worth, replayed = worth_judging(records, self.counted_to)
        if replayed:
            self._tally("dropped", DropReason.REPLAYED, replayed)
        not_judged = len(records) - replayed - len(worth)
        judged = 0
        for record in worth:
            key, value = record.key, record.value or b""
            try:
                dropped = self._checkpoint(record, value) if key is None else self._total(record, key, value)
            except BadRecord as error:
                self._refuse(record, error)
                continue
            if dropped is None:
                judged += 1
            else:
                self._tally("dropped", dropped)
        if judged:
            self._tally("emitted", "", judged)
        if not_judged:
            self._tally("dropped", DropReason.NOT_JUDGED, not_judged)
        if records:
            self._upto = max(self._upto, records[-1].offset)

    def _total(self, record: SourceRecord, key: bytes, value: bytes) -> DropReason | None:
        """Why the total changed nothing; None when it did."""
        total = read_total(key, value)
        if total is None:
            return DropReason.NOT_JUDGED
        campaign = self._campaigns.get(total.campaign_key)
        order = order_of(0, record.offset)
        if campaign is not None and order <= campaign.order:
            return DropReason.REPLAYED
        is_day = total.window == DAY
        if is_day and total.basis == COUNTED and not total.daily_budget_micros:
            return DropReason.NOT_JUDGED
        if total.end_ms <= self._clock_ms.get(total.basis, 0) - DAYS_KEPT_MS:
            return DropReason.NOT_JUDGED  # its versions may be forgotten, so a repeat could not be told from news
        if campaign is None:
            campaign = CampaignState(total.campaign_key)
        take = take_day if is_day else take_hour
        taken = take(campaign, total, self._rulebook)
        if isinstance(taken, DropReason):
            return taken
        self._campaigns[total.campaign_key] = campaign
        campaign.order = order
        campaign.name = total.campaign_name or campaign.name
        campaign.currency = total.currency or campaign.currency
        campaign.zone = total.zone
        state = campaign.bases[total.basis]
        state.is_dirty = True
        self._dirty[total.basis].add(campaign.key)
        self._changed[campaign.key] = None
        if taken:
            self._publish(campaign, total.basis, state.days, taken)
        if is_day and total.budget_shared and total.daily_budget_micros:
            budget = f"{':'.join(campaign.identity[:2])}:budget:{total.budget_id}"
            self._outputs.append((BUDGET_DAYS, budget.encode(), value))
        return None

    def _checkpoint(self, record: SourceRecord, value: bytes) -> DropReason | None:
        """Why the checkpoint was not judged at; its own reason when it was."""
        checkpoint = read_checkpoint(value)
        basis = BASIS_OF.get(checkpoint.checkpoint)
        place = (checkpoint.source_topic, checkpoint.source_partition)
        reached = (checkpoint.generation, checkpoint.source_offset)
        if basis is None:
            return DropReason.NOT_JUDGED
        if reached <= self._seen.get(place, (-1, -1)):
            return DropReason.STALE_REVISION
        self._seen[place] = reached
        now_ms = self._clock_ms[basis] = max(self._clock_ms.get(basis, 0), checkpoint.at_ms)
        order, dirty = order_of(0, record.offset), self._dirty[basis]
        for key in sorted(dirty.union(self._due[basis].at(now_ms))):
            campaign = self._campaigns[key]
            if order <= campaign.order:
                continue  # its row is further than this record; what it said here is published
            dirty.discard(key)
            self._judge(campaign, basis, now_ms, f"{place[0]}|{place[1]}|{reached[0]}|{reached[1]}")
            campaign.order = order
            self._changed[key] = None
        return DropReason.TICK

    def _judge(self, campaign: CampaignState, basis: str, now_ms: int, cause: str) -> None:
        state = campaign.bases[basis]
        said, updates = judge_checkpoint(campaign, basis, self._rulebook, now_ms)
        self._publish(campaign, basis, state.hours, said)
        publisher = self._publisher(campaign)
        for update in updates:
            event = publisher.of_metrics(
                update.measures, basis=basis, date=update.date, at_ms=update.as_of_ms, revision_of=cause
            )
            self._outputs.append((EVENTS_CAMPAIGN, campaign.key.encode(), encode(event)))
        state.is_dirty = False
        due_ms: int | None = next_due_ms(state, self._rulebook)
        if expires_ms(state) <= now_ms:
            # What remains of the campaign is a row with the number of its last public event.
            del campaign.bases[basis]
            due_ms = None
        self._due[basis].schedule(campaign.key, due_ms)

    def _publish(self, campaign: CampaignState, basis: str, series: Series, said: Sequence[Statement]) -> None:
        if not said:
            return
        publisher, key = self._publisher(campaign), campaign.key.encode()
        project_id = self._project_of(*campaign.identity[:2])
        for statement in said:
            alert = alert_of(statement, campaign, basis, series, project_id=project_id, link_base=self._link_base)
            self._outputs.append((TOPIC_OF[alert.kind], key, encode(alert)))
            for event in publisher.of_alert(statement, alert):
                self._outputs.append((EVENTS_CAMPAIGN, key, encode(event)))

    def _publisher(self, campaign: CampaignState) -> Publisher:
        return Publisher(campaign, self._project_of(*campaign.identity[:2]))

    def _refuse(self, record: SourceRecord, error: BadRecord) -> None:
        self._tally("dead", error.code)
        letter = dead_letter(error, stage=Stage.JUDGE, topic=TOTALS, partition=self._partition, record=record)
        self._outputs.append((DEAD_LETTERS, record.key, letter))

    # -- hand over -------------------------------------------------------------------------------------------

    @property
    def clock_ms(self) -> int:
        """Instant of the newest checkpoint; -1 before the first."""
        return max(self._clock_ms.values(), default=-1)

    @property
    def pending(self) -> int:
        return len(self._changed) + len(self._outputs)

    @property
    def upto(self) -> int:
        return self._upto

    def publish(self) -> list[Output]:
        outputs, self._outputs = self._outputs, []
        return outputs

    def take(self) -> Taken:
        outputs = self.publish()
        rows: list[tuple[bytes, list[Any] | None]] = [
            (key.encode(), self._campaigns[key].dump()) for key in self._changed
        ]
        if rows or self._upto > self.counted_to:
            seen = [[*place, *reached] for place, reached in sorted(self._seen.items())]
            clocks = sorted(self._clock_ms.items())
            order = order_of(0, self._upto)
            rows.append((HEADER, [order, STATE_VERSION, self._upto, self._topic_id, clocks, seen]))
        self.counted_to = max(self.counted_to, self._upto)
        self._changed = {}
        return Taken(outputs, rows, self._upto)

    def _tally(self, kind: str, label: str, n: int = 1) -> None:
        key = (kind, label)
        self._tallies[key] = self._tallies.get(key, 0) + n

    def tallies(self) -> dict[tuple[str, str], int]:
        tallies, self._tallies = self._tallies, {}
        return tallies
