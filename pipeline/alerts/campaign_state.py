"""What the judge keeps of one campaign: its windows, the verdicts on them, and the alerts it has told of. One row.

One row and not several: a flush may be cut between any two rows, and what is judged together must come back together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from pipeline.alerts.episode import NONE, Carry
from pipeline.alerts.rule import NOT_ENOUGH
from pipeline.alerts.series import DAY_WIDTH, END, HOUR_WIDTH, Series

DAY_MS = 86_400_000
HOURS_KEPT_MS = 21 * DAY_MS  # 14 days of baseline for the oldest window that is still judged again
REJUDGED_MS = 7 * DAY_MS  # a restated hour older than this is baseline only; its verdict stands
LATE_MS = 3 * DAY_MS  # an hour first heard of so late is baseline for those to come: history is read backwards as well
DAYS_KEPT_MS = 97 * DAY_MS  # platforms restate a day for 90 days


class Status(IntEnum):
    FIRING = 1
    RESOLVED = 2
    RETRACTED = 3
    CLOSED = 4  # over and no longer compared; kept so that its number is not given twice


@dataclass(slots=True)
class Told:
    """An alert over a series, as last published. `start_ms` and `episode` are its identity, `open_ms` where the fold
    sees its opening now, `shown_ms` the window whose `value` was published."""

    start_ms: int
    episode: int
    version: int
    status: Status
    open_ms: int
    shown_ms: int
    close_ms: int
    value: float

    def dump(self) -> list[Any]:
        identity = [self.start_ms, self.episode, self.version, int(self.status)]
        return [*identity, self.open_ms, self.shown_ms, self.close_ms, self.value]

    @classmethod
    def restore(cls, row: list[Any]) -> "Told":
        return cls(row[0], row[1], row[2], Status(row[3]), *row[4:])


@dataclass(slots=True)
class BudgetTold:
    """An alert of a budget day, as last published."""

    episode: int
    version: int
    status: Status
    spend_micros: int
    budget_micros: int

    def dump(self) -> list[Any]:
        return [self.episode, self.version, int(self.status), self.spend_micros, self.budget_micros]

    @classmethod
    def restore(cls, row: list[Any]) -> "BudgetTold":
        return cls(row[0], row[1], Status(row[2]), row[3], row[4])


@dataclass(slots=True)
class RuleState:
    """One series rule over one campaign. `codes[i]` is the verdict on window i; windows from `len(codes)` on wait to
    be judged. `fingerprint` says by which reading of the rule."""

    fingerprint: bytes = b""
    codes: bytearray = field(default_factory=bytearray)
    carry: Carry = field(default_factory=Carry)
    known_end_ms: int = NONE  # end of the last window judged
    told: list[Told] = field(default_factory=list)

    def dump(self) -> list[Any]:
        told = [entry.dump() for entry in self.told]
        return [self.fingerprint, bytes(self.codes), self.carry.dump(), self.known_end_ms, told]

    @classmethod
    def restore(cls, row: list[Any]) -> "RuleState":
        return cls(row[0], bytearray(row[1]), Carry.restore(row[2]), row[3], [Told.restore(entry) for entry in row[4]])

    @property
    def is_firing(self) -> bool:
        return any(entry.status is Status.FIRING for entry in self.told)


@dataclass(slots=True)
class BasisState:
    """`changed_days`, `changed_hours`: starts of windows whose measures changed since the last checkpoint.
    `is_dirty`: something is to be judged at the next one."""

    hours: Series = field(default_factory=lambda: Series(HOUR_WIDTH))
    days: Series = field(default_factory=lambda: Series(DAY_WIDTH))
    rules: dict[str, RuleState] = field(default_factory=dict)
    budgets: dict[tuple[str, int], BudgetTold] = field(default_factory=dict)
    changed_days: set[int] = field(default_factory=set)
    changed_hours: set[int] = field(default_factory=set)
    is_dirty: bool = False

    def dump(self) -> list[Any]:
        return [
            self.is_dirty,
            self.hours.dump(),
            self.days.dump(),
            sorted(self.changed_days),
            sorted(self.changed_hours),
            [[rule_id, *state.dump()] for rule_id, state in sorted(self.rules.items())],
            [[*key, *told.dump()] for key, told in sorted(self.budgets.items())],
        ]

    @classmethod
    def restore(cls, row: list[Any]) -> "BasisState":
        return cls(
            hours=Series.restore(row[1]),
            days=Series.restore(row[2]),
            rules={entry[0]: RuleState.restore(entry[1:]) for entry in row[5]},
            budgets={(entry[0], entry[1]): BudgetTold.restore(entry[2:]) for entry in row[6]},
            changed_days=set(row[3]),
            changed_hours=set(row[4]),
            is_dirty=row[0],
        )

    def hour_changed(self, index: int, changed: frozenset[int] | None, inputs: Mapping[str, frozenset[int]]) -> None:
        """Take back the verdicts that depend on this hour. `changed`: its columns that changed; None for a new hour."""
        if not self.rules:
            return
        age_ms = self.hours.newest_end_ms - self.hours.columns[END][index]
        is_frozen = age_ms >= (LATE_MS if changed is None else REJUDGED_MS)
        for rule_id, state in self.rules.items():
            if index >= len(state.codes):
                continue
            if changed is None and is_frozen:
                state.codes.insert(index, NOT_ENOUGH)
            elif changed is None or (not is_frozen and changed & inputs.get(rule_id, frozenset())):
                del state.codes[index:]

    def forget_old_days(self) -> None:
        """Drop days beyond the longest restatement, with what was told of them."""
        ends = self.days.columns[END]
        horizon = self.days.newest_end_ms - DAYS_KEPT_MS
        count = next((i for i, end in enumerate(ends) if end > horizon), len(ends))
        if count:
            self.days.drop_first(count)
            first = self.days.columns[0][0]
            self.budgets = {key: told for key, told in self.budgets.items() if key[1] >= first}
            self.changed_days = {start for start in self.changed_days if start >= first}


@dataclass(slots=True)
class CampaignState:
    """`order`: of the last record that changed anything here. `sequence`: of the last public event. The name is the
    last one a total carried."""

    key: str
    order: int = 0
    sequence: int = 0
    name: str = ""
    currency: str = ""
    zone: str = "UTC"
    bases: dict[str, BasisState] = field(default_factory=dict)

    def dump(self) -> list[Any]:
        bases = [[basis, *state.dump()] for basis, state in sorted(self.bases.items())]
        return [self.order, self.sequence, self.name, self.currency, self.zone, bases]

    @classmethod
    def restore(cls, key: str, row: list[Any]) -> "CampaignState":
        bases = {entry[0]: BasisState.restore(entry[1:]) for entry in row[5]}
        return cls(key, row[0], row[1], row[2], row[3], row[4], bases)

    @property
    def identity(self) -> tuple[str, str, str]:
        """Platform, account id, campaign id."""
        platform, account_id, campaign_id = self.key.split(":", 2)
        return platform, account_id, campaign_id
