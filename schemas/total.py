"""Absolute totals of one (campaign or ad, window, basis), and the checkpoints between them."""

from schemas.platform import Platform
from schemas.record import Contract
from schemas.window import Basis, Level, Window

# version = generation << GENERATION_SHIFT | (offset + 1) << 2 | settled << 1 | is_final. Stays below 2**53 (exact in
# every JSON reader) for 500 generations and 4e12 offsets. Where several sources feed a total, offsets + 1 are summed.
GENERATION_SHIFT = 44


class Total(Contract):
    """Value on `totals.v1`. Identity: `total_id`; the highest `version` holds, equal versions are equal values.

    All measures are sums of the whole window as known at `as_of_ms` (what the records say, never a wall
    clock). `revision` counts the changes of this total; `is_final`: the window's time is over; `settled`:
    the platform no longer changes it. A later restatement has a higher version all the same.
    `daily_budget_micros` and its id are those in force when the total was published (campaign days only).
    """

    schema_version: int = 1
    total_id: str  # campaign_key|ad_group_id|ad_id|basis|window|start_s
    campaign_key: str
    platform: Platform
    account_id: str
    campaign_id: str
    level: Level
    ad_group_id: str = ""
    ad_id: str = ""
    basis: Basis
    window: Window
    start_ms: int
    end_ms: int
    zone: str
    currency: str  # "" while no record has named one
    impressions: int = 0
    clicks: int = 0
    link_clicks: int = 0
    spend_micros: int = 0
    conversions_micros: int = 0
    revenue_micros: int = 0
    video_views: int = 0
    sent: int = 0
    delivered: int = 0
    opened: int = 0
    clicked: int = 0
    bounced: int = 0
    complained: int = 0
    unsubscribed: int = 0
    failed: int = 0
    as_of_ms: int
    revision: int
    is_final: bool
    settled: bool
    version: int
    source_topic: str
    source_partition: int
    source_offset: int
    campaign_name: str = ""
    campaign_status: str = ""
    daily_budget_micros: int | None = None
    budget_id: str | None = None
    budget_shared: bool = False


class Checkpoint(Contract):
    """In-band on `totals.v1` (key null): everything of `source_topic` up to `source_offset` is published.

    The judge looks at ratios and baselines only here, so that what it sees does not depend on how
    often totals were flushed. A repeat with an offset it has seen is ignored.
    """

    schema_version: int = 1
    checkpoint: str  # "report_complete" or "tick"
    source_topic: str
    source_partition: int
    source_offset: int
    generation: int = 0
    at_ms: int
