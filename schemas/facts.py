"""What a report row says once it is read: one normalised observation."""

from dataclasses import dataclass

from schemas.campaign import CampaignStatus


@dataclass(slots=True)  # not frozen: that would cost 2.4 us for every row that is read
class Snapshot:
    """The total a platform reports for one entity and period, replaced by any later revision of the same identity.

    Identity: campaign key, ad group, ad, window, start. `level` and `window`: values of `schemas.window`. `measures`
    in the order of `schemas.measures`; all zero for a `vanished` row. `date`: the local date the period belongs to,
    `YYYY-MM-DD`. `is_final`: the period was over when it was read; `settled`: it was read so late that the platform no
    longer changes it. The same figures read again say the same before `same_until_ms`, and become one of them then.
    """

    level: str
    campaign_key: str
    platform: str
    account_id: str
    campaign_id: str
    ad_group_id: str
    ad_id: str
    window: str
    date: str
    start_ms: int
    end_ms: int
    zone: str
    currency: str
    measures: tuple[int, ...]
    fetched_at_ms: int
    is_final: bool
    settled: bool
    same_until_ms: int
    campaign_name: str
    vanished: bool


@dataclass(frozen=True, slots=True)
class Entity:
    """A campaign as the platform describes it at `as_of_ms`. Budgets in micros of `currency`."""

    platform: str
    account_id: str
    campaign_id: str
    name: str
    type: str
    objective: str
    status: CampaignStatus
    currency: str
    zone: str
    start_ms: int | None
    end_ms: int | None
    daily_budget_micros: int | None
    total_budget_micros: int | None
    budget_id: str | None
    budget_shared: bool
    as_of_ms: int


@dataclass(frozen=True, slots=True)
class ReportComplete:
    """Every row of one (account, report) over `dates` (local, `YYYY-MM-DD`) is in front of this.

    `fetched_at_ms`: when the read began; a row fetched before that is older than what this read has shown.
    """

    account_id: str
    report: str
    fetched_at_ms: int
    dates: tuple[str, ...]
    rows: int
