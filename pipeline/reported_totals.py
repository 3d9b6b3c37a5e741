"""A reported row as a total: as `pipeline.total_codec` writes it, and the text that `pipeline.native` fills in."""

from functools import lru_cache
from typing import Any

import msgspec

from pipeline.reported_rows import FINAL, KEY, SETTLED, RowKey
from pipeline.state import Output
from pipeline.total_codec import TotalOut, encode_total, total_id, total_out
from pipeline.versions import offset_of, version_of
from schemas.measures import MEASURES
from schemas.topics import TOTALS
from schemas.window import Basis, Level

REPORTED, CAMPAIGN, AD = str(Basis.REPORTED), str(Level.CAMPAIGN), str(Level.AD)
# What is the same in all totals of one partition; of everything else a mark, in the order of the fields.
_TEXTS = (
    *("total_id", "campaign_key", "platform", "account_id", "campaign_id", "level", "ad_group_id", "ad_id", "window"),
    *("zone", "currency", "campaign_name", "campaign_status"),
)
_NUMBERS = ("start_ms", "end_ms", *MEASURES, "as_of_ms", "revision", "version", "source_offset")
_WORDS = ("is_final", "settled", "daily_budget_micros", "budget_id", "budget_shared")  # with their quotes, if any


@lru_cache(1 << 16)
def _parts(campaign_key: str) -> list[str]:
    """[platform, account id, campaign id]"""
    return campaign_key.split(":", 2)


def total_of(key: RowKey, row: list[Any], name: str | None, status: str, topic: str, partition: int) -> Output:
    """The row as it stands. `name` of its campaign, None: the report's own; `status`, "" if unknown."""
    campaign_key, ad_group_id, ad_id, window, start_ms = key
    order, as_of_ms, revision, flags, end_ms, zone, currency, own_name, *budget, measures = row[:KEY]
    platform, account_id, campaign_id = _parts(campaign_key)
    identity = total_id(campaign_key, ad_group_id, ad_id, REPORTED, window, start_ms)
    is_final, settled = flags & FINAL != 0, flags & SETTLED != 0
    total = total_out(
        1,
        identity,
        campaign_key,
        platform,
        account_id,
        campaign_id,
        AD if ad_id else CAMPAIGN,
        ad_group_id,
        ad_id,
        REPORTED,
        window,
        start_ms,
        end_ms,
        zone,
        currency,
        *measures,
        as_of_ms,
        revision,
        is_final,
        settled,
        version_of(order, settled=settled, is_final=is_final),
        topic,
        partition,
        offset_of(order),
        name or own_name,
        status,
        *budget,
    )
    return TOTALS, identity.encode(), encode_total(total)


def text_of_totals(topic: str, partition: int) -> bytes:
    """With a `%` where totals of this partition differ: `%b` for bytes, `%d` for a whole number."""
    source = msgspec.json.encode(topic).decode().replace("%", "%%")
    fields = {
        "schema_version": "1",
        "basis": f'"{REPORTED}"',
        "source_topic": source,
        "source_partition": str(partition),
        **dict.fromkeys(_TEXTS, '"%b"'),
        **dict.fromkeys(_NUMBERS, "%d"),
        **dict.fromkeys(_WORDS, "%b"),
    }
    return ("{" + ",".join(f'"{name}":{fields[name]}' for name in TotalOut.__struct_fields__) + "}").encode()
