"""Reading one event: bytes of `raw.events.v1` to what is counted. The hot path; refusing is `event_refusal`."""

from datetime import datetime
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from pipeline.event_refusal import (
    EPOCH,
    MAX_AHEAD_MS,
    MAX_COUNT,
    MAX_EVENT_BYTES,
    MAX_ID_CHARS,
    MIN_AT_MS,
    ONE_MS,
    currency_reason,
    id_reason,
    refusal,
    zone_reason,
)
from schemas.event import MAX_MICROS, EventType
from schemas.measures import CONVERSIONS, MEASURES, MICROS, REVENUE, SPEND
from schemas.platform import campaign_key

__all__ = [
    "MAX_AHEAD_MS",
    "MAX_EVENT_BYTES",
    "MIN_AT_MS",
    "EventIn",
    "at_ms",
    "check_first",
    "decode",
    "key_of",
    "measures_of",
    "read",
    "refusal",
]

# Patterns cost msgspec a call of the regular expression engine each; lengths and ranges are free.
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARS)]
_Micros = Annotated[int, msgspec.Meta(ge=0, le=MAX_MICROS)]


class EventIn(msgspec.Struct, gc=False):
    """The fields of `schemas.event.Event` that count. Unknown ones stay in the raw topic."""

    event_id: _Text
    platform: Literal["google_ads", "meta", "linkedin", "twitter", "tiktok", "email", "sms", "push"]
    account_id: _Text
    campaign_id: _Text
    at: int | Annotated[datetime, msgspec.Meta(tz=True)]
    type: EventType
    ad_id: str | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] = 1
    spend_micros: _Micros = 0
    revenue_micros: _Micros = 0
    conversions_micros: _Micros | None = None
    currency: str | None = None
    zone: str | None = None


# Form and types only; whoever calls it checks the rest, or has checked it of an earlier event that says the same.
decode_unchecked = msgspec.json.Decoder(EventIn).decode


def decode(value: bytes) -> EventIn:
    """Fast path. Raises ValueError or BadRecord without saying why: ask `refusal`.

    Not looked at here: whether `at` is absurd, and what `check_first` looks at.
    """
    if len(value) > MAX_EVENT_BYTES:
        raise BadRecord(BadRecordCode.OVERSIZED)
    try:
        event = decode_unchecked(value)
    except RecursionError:
        raise BadRecord(BadRecordCode.MALFORMED) from None
    if not fits(event.ad_id, event.currency):
        raise BadRecord(BadRecordCode.BAD_ID)
    return event


@lru_cache(1 << 16)
def fits(ad_id: str | None, currency: str | None) -> bool:
    """Whether these may stand in an event."""
    return (ad_id is None or id_reason(ad_id) is None) and (currency is None or currency_reason(currency) is None)


def _is_campaign(account_id: str, campaign_id: str, zone: str | None) -> bool:
    return id_reason(campaign_id) is None and _is_account(account_id, zone)


@lru_cache(1 << 12)
def _is_account(account_id: str, zone: str | None) -> bool:
    return id_reason(account_id) is None and (zone is None or zone_reason(zone) is None)


def at_ms(event: EventIn) -> int:
    """When it happened, Unix ms; parts of a millisecond are cut off."""
    at = event.at
    return at if isinstance(at, int) else (at - EPOCH) // ONE_MS


def key_of(event: EventIn) -> bytes:
    """The Kafka key its record is filed under."""
    return campaign_key(event.platform, event.account_id, event.campaign_id).encode()


def check_first(event: EventIn, key: bytes, value: bytes, received_ms: int) -> None:
    """All checks, for the first event of a campaign; of later ones the caller compares key, zone and currency.

    Raises BadRecord.
    """
    if not _is_campaign(event.account_id, event.campaign_id, event.zone):
        raise refusal(value, received_ms)
    if key != key_of(event):
        found = key.decode(errors="replace")
        raise BadRecord(BadRecordCode.WRONG_KEY, "", f"the key is {found!r}, the campaign {key_of(event).decode()!r}")
    if not MIN_AT_MS <= at_ms(event) <= received_ms + MAX_AHEAD_MS:
        raise refusal(value, received_ms)


def read(value: bytes, received_ms: int) -> EventIn:
    """Fast path and all checks that need no history: what an edge lets in. Raises BadRecord with the field."""
    try:
        event = decode(value)
    except (ValueError, BadRecord):
        raise refusal(value, received_ms) from None
    if not MIN_AT_MS <= at_ms(event) <= received_ms + MAX_AHEAD_MS or not _is_campaign(
        event.account_id, event.campaign_id, event.zone
    ):
        raise refusal(value, received_ms)
    return event


# Every type counts in exactly one measure: a link click is not a click as well, its sender says so by a second event.
COUNTED_IN: dict[str, int] = {
    "impression": MEASURES.index("impressions"),
    "click": MEASURES.index("clicks"),
    "link_click": MEASURES.index("link_clicks"),
    "conversion": CONVERSIONS,
    "video_view": MEASURES.index("video_views"),
    "sent": MEASURES.index("sent"),
    "delivered": MEASURES.index("delivered"),
    "opened": MEASURES.index("opened"),
    "clicked": MEASURES.index("clicked"),
    "bounced": MEASURES.index("bounced"),
    "complained": MEASURES.index("complained"),
    "unsubscribed": MEASURES.index("unsubscribed"),
    "failed": MEASURES.index("failed"),
}
_N = len(MEASURES)


def measures_of(event: EventIn) -> tuple[int, ...]:
    """What it adds, in the order of `schemas.measures.MEASURES`. Amounts are added whatever the type.

    Conversions are micro-units: one whole conversion per count for a conversion, unless the event says a fraction.
    """
    measures = [0] * _N
    index = COUNTED_IN[event.type]
    if index != CONVERSIONS:
        measures[index] = event.count
        measures[CONVERSIONS] = event.conversions_micros or 0
    elif event.conversions_micros is None:
        measures[CONVERSIONS] = event.count * MICROS
    else:
        measures[CONVERSIONS] = event.conversions_micros
    measures[SPEND] = event.spend_micros
    measures[REVENUE] = event.revenue_micros
    return tuple(measures)
