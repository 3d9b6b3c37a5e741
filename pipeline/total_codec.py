"""Totals and checkpoints to bytes. The fields are those of `schemas.total`; a contract test compares the two.

pydantic stands at the edges; this path runs for every published row, so it encodes with msgspec.
"""

from collections.abc import Callable

import msgspec


class TotalOut(msgspec.Struct, gc=False):
    schema_version: int
    total_id: str
    campaign_key: str
    platform: str
    account_id: str
    campaign_id: str
    level: str
    ad_group_id: str
    ad_id: str
    basis: str
    window: str
    start_ms: int
    end_ms: int
    zone: str
    currency: str
    impressions: int
    clicks: int
    link_clicks: int
    spend_micros: int
    conversions_micros: int
    revenue_micros: int
    video_views: int
    sent: int
    delivered: int
    opened: int
    clicked: int
    bounced: int
    complained: int
    unsubscribed: int
    failed: int
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


class CheckpointOut(msgspec.Struct, gc=False):
    schema_version: int
    checkpoint: str
    source_topic: str
    source_partition: int
    source_offset: int
    generation: int
    at_ms: int


_encode = msgspec.json.Encoder().encode
# By position, with the measures unpacked in the middle, which a type checker cannot follow.
total_out: Callable[..., TotalOut] = TotalOut


def encode_total(total: TotalOut) -> bytes:
    return _encode(total)


def encode_checkpoint(checkpoint: CheckpointOut) -> bytes:
    return _encode(checkpoint)


def total_id(campaign_key: str, ad_group_id: str, ad_id: str, basis: str, window: str, start_ms: int) -> str:
    """Identity of a total: `campaign_key|ad_group_id|ad_id|basis|window|start_s`."""
    return f"{campaign_key}|{ad_group_id}|{ad_id}|{basis}|{window}|{start_ms // 1000}"
