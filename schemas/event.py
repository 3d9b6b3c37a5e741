"""One event of our own counting: what the intake and the file source accept, and `raw.events.v1` holds as written."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from schemas.platform import Platform
from schemas.record import Contract

EventType = Literal[
    "impression",
    "click",
    "link_click",
    "conversion",
    "video_view",
    "sent",
    "delivered",
    "opened",
    "clicked",
    "bounced",
    "complained",
    "unsubscribed",
    "failed",
]
ID_PATTERN = r"^[A-Za-z0-9_.\-]+$"
Id = Annotated[str, Field(min_length=1, max_length=128, pattern=ID_PATTERN)]
MAX_MICROS = 10**15  # a thousand million units of currency in one event is a mistake


class Event(Contract):
    """Identity: campaign key + `event_id`; a second copy within the horizon (24 h by default) is the same fact.

    `at` is RFC 3339 with a zone, or whole Unix milliseconds. `conversions_micros` defaults to one
    whole conversion per count for a conversion, else 0. `zone` is fixed by the campaign's first event
    (UTC when it names none), `currency` by the first that names one. Fields we do not know are kept
    in the raw topic and ignored.
    """

    model_config = ConfigDict(extra="allow")

    event_id: Annotated[str, Field(min_length=1, max_length=128)]
    platform: Platform
    account_id: Id
    campaign_id: Id
    ad_id: Id | None = None
    at: datetime | int
    type: EventType
    count: Annotated[int, Field(ge=1, le=10**9)] = 1
    spend_micros: Annotated[int, Field(ge=0, le=MAX_MICROS)] = 0
    revenue_micros: Annotated[int, Field(ge=0, le=MAX_MICROS)] = 0
    conversions_micros: Annotated[int, Field(ge=0, le=MAX_MICROS)] | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    zone: str | None = None
