from datetime import datetime

import msgspec

from pipeline.errors import BadRecord

MIN_AT_MS = 946684800000
MAX_AHEAD_MS = 86_400_000
TYPES = {"impression": 0, "click": 1, "link_click": 2, "conversion": 4, "video_view": 6, "sent": 7}


class EventIn(msgspec.Struct, gc=False):
    event_id: str
    platform: str
    account_id: str
    campaign_id: str
    at: int | datetime
    type: str
    ad_id: str | None = None
    count: int = 1
    spend_micros: int = 0
    revenue_micros: int = 0
    conversions_micros: int | None = None
    currency: str | None = None
    zone: str | None = None


decode = msgspec.json.Decoder(EventIn).decode


def at_ms(e: EventIn) -> int:
    return e.at if isinstance(e.at, int) else int(e.at.timestamp() * 1000)


def refusal(value: bytes, received_ms: int) -> BadRecord:
    return BadRecord("malformed")


def check_first(event: EventIn, key: bytes, value: bytes, received_ms: int) -> None:
    if key != f"{event.platform}:{event.account_id}:{event.campaign_id}".encode():
        raise BadRecord("wrong_key")


def measures_of(e: EventIn) -> tuple[int, ...]:
    m = [0] * 15
    if e.type == "conversion":
        m[4] = e.conversions_micros if e.conversions_micros is not None else e.count * 1_000_000
    else:
        m[TYPES[e.type]] = e.count
    m[3] += e.spend_micros
    m[5] += e.revenue_micros
    return tuple(m)
