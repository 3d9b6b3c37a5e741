"""A campaign as the platform describes it, on `campaigns.v1`."""

from enum import StrEnum

from schemas.platform import Platform
from schemas.record import Contract


class CampaignStatus(StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    ARCHIVED = "archived"


class Campaign(Contract):
    """Identity: `campaign_key`; the highest `version` holds. Budgets in micros of `currency`; null = none known.

    `start_ms`, `end_ms`: instants, from the account's local date and time; `budget_id` is shared by several
    campaigns when `budget_shared`.
    """

    schema_version: int = 1
    campaign_key: str
    project_id: str
    platform: Platform
    account_id: str
    campaign_id: str
    name: str
    type: str
    objective: str = ""
    status: CampaignStatus
    currency: str
    zone: str
    start_ms: int | None = None
    end_ms: int | None = None
    daily_budget_micros: int | None = None
    total_budget_micros: int | None = None
    budget_id: str | None = None
    budget_shared: bool = False
    version: int
    as_of_ms: int
