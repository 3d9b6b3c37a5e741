"""Everything the market depends on besides the instant. Written at the head of the truth file, so it can be rebuilt."""

from dataclasses import dataclass

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class MarketSettings:
    """`anchor_ms` is when the story begins (the start of the demo); labelled faults lie around it.

    The `*_after_ms` are distances from the anchor, in pulse time. At `--speed 60` a real second is a pulse minute.
    Rates are per mille of (campaign, day).
    """

    seed: int = 1
    anchor_ms: int = 1_795_244_400_000  # 2026-11-21 07:00 UTC
    campaigns: int = 24
    restated_per_mille: int = 120
    credited_to_zero_per_mille: int = 4
    restated_below_after_ms: int = 80 * MINUTE_MS
    restated_above_after_ms: int = 95 * MINUTE_MS
    vanished_after_ms: int = 70 * MINUTE_MS
    ad_deleted_after_ms: int = 55 * MINUTE_MS
    budget_raised_after_ms: int = 45 * MINUTE_MS
    paused_after_ms: int = 60 * MINUTE_MS
    reporting_lag_ms: int = 0  # the newest figures are this old
    outages: bool = True  # 503 and 429 answers now and then
