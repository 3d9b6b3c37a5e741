"""Budgets that several campaigns share: their spend summed per budget day, judged like a campaign's own.

The judge of each partition forwards days under a shared budget to `budget_days.v1`, keyed by budget, so that all
campaigns of one budget meet in one partition here. A row keeps the newest spend of every campaign; the sum goes as the
day of one campaign, `budget-<id>`, through a judge that knows the budget rules only.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pipeline.alerts.judge import Judge
from pipeline.changelog import HEADER
from pipeline.codes import BadRecordCode, DropReason, Stage
from pipeline.dead_letters import dead_letter
from pipeline.errors import BadRecord
from pipeline.state import Output, SourceRecord, Taken
from pipeline.versions import order_of
from schemas.measures import MOST
from schemas.rule import Rule
from schemas.topics import BUDGET_DAYS, DEAD_LETTERS

KEPT_MS = 97 * 86_400_000  # as long as a platform restates

# row = [order, row of the judge, [[basis, start_ms, {campaign key: [version, spend_micros, revision, is_final]}]]]
# One row on purpose: a flush can be cut between rows, and a sum and what was said of it must come back together.
Campaigns = dict[str, list[Any]]
Days = dict[tuple[str, int], Campaigns]


class _Day(msgspec.Struct, gc=False):
    campaign_key: str
    basis: str
    start_ms: int
    end_ms: int
    zone: str
    currency: str
    spend_micros: int
    as_of_ms: int
    revision: int
    is_final: bool
    version: int
    budget_id: str
    daily_budget_micros: int


class _Sum(msgspec.Struct, gc=False):
    """As much of a total as the judge reads."""

    total_id: str
    campaign_key: str
    basis: str
    window: str
    start_ms: int
    end_ms: int
    zone: str
    currency: str
    impressions: int
    clicks: int
    spend_micros: int
    conversions_micros: int
    revenue_micros: int
    as_of_ms: int
    revision: int
    is_final: bool
    version: int
    campaign_name: str
    daily_budget_micros: int


@dataclass(frozen=True, slots=True)
class _SumRecord:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


_decode = msgspec.json.Decoder(_Day).decode
_encode = msgspec.json.Encoder().encode


class SharedBudgets:
    """Implements `pipeline.state.StageState` for one partition of `budget_days.v1`."""

    def __init__(
        self,
        rules: Sequence[Rule],
        partition: int,
        *,
        project_of: Callable[[str, str], str],
        topic_id: str = "",
        link_base: str = "",
    ) -> None:
        own = tuple(rule for rule in rules if rule.kind == "budget")
        self._judge = Judge(own, partition, project_of=project_of, topic_id=topic_id, link_base=link_base)
        self._partition = partition
        self._days: dict[str, Days] = {}  # by campaign key of the budget
        self._orders: dict[str, int] = {}
        self._judged: dict[str, list[Any] | None] = {}  # the judge's row of each budget, as last taken
        self._changed: dict[str, None] = {}
        self._clock_ms = -1
        self._letters: list[tuple[str, bytes | None, bytes]] = []
        self._tallies: dict[tuple[str, str], int] = {}

    def load(self, rows: Iterable[tuple[bytes, list[Any]]], *, counted_to: int) -> None:
        judged = []
        for key, row in rows:
            if key == HEADER:
                judged.append((key, row))
                continue
            name = key.decode()
            self._orders[name], self._judged[name] = row[0], row[1]
            self._days[name] = {(basis, start_ms): campaigns for basis, start_ms, campaigns in row[2]}
            if row[1] is not None:
                judged.append((key, row[1]))
        self._judge.load(judged, counted_to=counted_to)

    def count(self, records: Sequence[SourceRecord]) -> None:
        self._tally("received", "", len(records))
        for record in records:
            if record.offset <= self.counted_to or record.value is None:
                self._tally("dropped", DropReason.REPLAYED)
                continue
            try:
                day = _decode(record.value)
            except (msgspec.DecodeError, ValueError) as error:
                self._refuse(record, BadRecord(BadRecordCode.MALFORMED, "", str(error)))
                continue
            reason = self._count_day(record, day)
            self._tally(*(("emitted", "") if reason is None else ("dropped", reason)))

    def _count_day(self, record: SourceRecord, day: _Day) -> DropReason | None:
        """Why the day changed nothing; None when it did."""
        platform, account_id, _ = day.campaign_key.split(":", 2)
        name = f"{platform}:{account_id}:budget-{day.budget_id}"
        order = order_of(0, record.offset)
        if order <= self._orders.get(name, -1):
            return DropReason.REPLAYED
        days = self._days.setdefault(name, {})
        campaigns = days.setdefault((day.basis, day.start_ms), {})
        known = campaigns.get(day.campaign_key)
        if known is not None and day.version <= known[0]:
            return DropReason.STALE_REVISION
        campaigns[day.campaign_key] = [day.version, day.spend_micros, day.revision, day.is_final]
        self._clock_ms = max(self._clock_ms, day.as_of_ms)
        for old in [place for place in days if place[1] + KEPT_MS < self._clock_ms]:
            del days[old]
        self._orders[name] = order
        self._changed[name] = None
        total = _sum(name, day, campaigns)
        self._judge.count([_SumRecord(record.offset, record.timestamp, total.total_id.encode(), _encode(total))])
        return None

    def _refuse(self, record: SourceRecord, error: BadRecord) -> None:
        self._tally("dead", error.code)
        letter = dead_letter(error, stage=Stage.JUDGE, topic=BUDGET_DAYS, partition=self._partition, record=record)
        self._letters.append((DEAD_LETTERS, record.key, letter))

    @property
    def counted_to(self) -> int:
        return self._judge.counted_to

    @property
    def clock_ms(self) -> int:
        return self._clock_ms

    @property
    def pending(self) -> int:
        return self._judge.pending + len(self._changed) + len(self._letters)

    def publish(self) -> list[Output]:
        outputs, self._letters = [*self._letters, *self._judge.publish()], []
        return outputs

    def take(self) -> Taken:
        taken = self._judge.take()
        header = [(key, row) for key, row in taken.rows if key == HEADER]
        self._judged.update((key.decode(), row) for key, row in taken.rows if key != HEADER)
        rows: list[tuple[bytes, list[Any] | None]] = [(name.encode(), self._row(name)) for name in self._changed]
        outputs = [*self._letters, *taken.outputs]
        self._changed, self._letters = {}, []
        return Taken(outputs, [*rows, *header], taken.upto)

    def _row(self, name: str) -> list[Any]:
        days = [[basis, start_ms, campaigns] for (basis, start_ms), campaigns in self._days[name].items()]
        return [self._orders[name], self._judged.get(name), days]

    def _tally(self, kind: str, label: str, n: int = 1) -> None:
        self._tallies[kind, label] = self._tallies.get((kind, label), 0) + n

    def tallies(self) -> dict[tuple[str, str], int]:
        self._judge.tallies()  # its records are ours, counted once
        tallies, self._tallies = self._tallies, {}
        return tallies


def _sum(budget_key: str, day: _Day, campaigns: Campaigns) -> _Sum:
    """The day of the budget: versions only grow, so their sum is a version; final when every campaign's day is."""
    known = list(campaigns.values())
    return _Sum(
        total_id=f"{budget_key}|||{day.basis}|1d|{day.start_ms // 1000}",
        campaign_key=budget_key,
        basis=day.basis,
        window="1d",
        start_ms=day.start_ms,
        end_ms=day.end_ms,
        zone=day.zone,
        currency=day.currency,
        impressions=0,
        clicks=0,
        spend_micros=min(sum(spend for _, spend, _, _ in known), MOST),
        conversions_micros=0,
        revenue_micros=0,
        as_of_ms=day.as_of_ms,
        revision=sum(revision for _, _, revision, _ in known),
        is_final=all(is_final for _, _, _, is_final in known),
        version=sum(version for version, _, _, _ in known),
        campaign_name=f"shared budget {day.budget_id} ({len(known)} campaigns)",
        daily_budget_micros=day.daily_budget_micros,
    )
