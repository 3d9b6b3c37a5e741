"""A campaign of the market: what it is, what it aims at, and which part it plays in the story."""

from dataclasses import dataclass
from enum import StrEnum

from connectors.simulator.account import Account


class Role(StrEnum):
    """What is wrong with a campaign, on purpose. The names are the labels of the seeded faults."""

    PLAIN = "plain"
    OVERSPEND = "overspend"
    LOW_CTR = "low_ctr"
    LOW_ROAS = "low_roas"
    HIGH_CPC = "high_cpc"
    SPEND_SPIKE = "spend_spike"
    CTR_COLLAPSE = "ctr_collapse"
    SPEND_SPIKE_LIVE = "spend_spike_live"
    RESTATED_BELOW = "restated_below"
    RESTATED_ABOVE = "restated_above"
    ZERO_SPEND = "zero_spend"
    BUDGET_RAISED = "budget_raised"
    PAUSED_LIVE = "paused_live"
    VANISHED_DAY = "vanished_day"
    AD_DELETED = "ad_deleted"
    SHARED_BUDGET = "shared_budget"
    TOTAL_BUDGET = "total_budget"
    REMOVED = "removed"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Ad:
    ad_group_id: str
    ad_group_name: str
    ad_id: str
    name: str
    type: str
    weight: int


@dataclass(frozen=True, slots=True)
class SimCampaign:
    """`*_ppm` are parts per million; `roas_per_mille` is revenue over spend once every conversion is in.

    `spend_micros` is what an ordinary best day costs; `budget_micros` the daily budget before any raise
    (of the whole shared budget where it is shared). Delivery runs in `[start_ms, stop_ms)`.
    """

    account: Account
    campaign_id: str
    name: str
    type: str
    role: Role
    shape: str
    impressions_per_day: int
    ctr_ppm: int
    cpc_micros: int
    cvr_ppm: int
    roas_per_mille: int
    spend_micros: int
    budget_id: str
    budget_micros: int
    budget_shared: bool
    total_budget_micros: int | None
    start_ms: int
    stop_ms: int | None
    ads: tuple[Ad, ...]
