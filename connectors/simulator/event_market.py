"""Own-tag events of the market: web traffic of a Meta campaign, and what became of emails, texts and pushes.

The n-th event of a run is a function of (seed, run, n, instant).
"""

from dataclasses import dataclass
from typing import Any

from connectors.simulator.calendar import HOUR_MS, utc_text
from connectors.simulator.draw import draw
from schemas.platform import campaign_key

_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class EventCampaign:
    """`types`: event type -> weight. `click_micros`: what a click costs; `order_micros`: revenue of a conversion."""

    platform: str
    account_id: str
    campaign_id: str
    weight: int
    types: tuple[tuple[str, int], ...]
    ads: tuple[str, ...] = ()
    click_micros: int = 0
    order_micros: int = 0
    currency: str | None = None
    zone: str | None = None

    @property
    def key(self) -> str:
        return campaign_key(self.platform, self.account_id, self.campaign_id)


_WEB = (("impression", 860), ("click", 70), ("link_click", 48), ("video_view", 12), ("conversion", 10))
_MAIL = (
    ("sent", 400),
    ("delivered", 385),
    ("opened", 130),
    ("clicked", 32),
    ("bounced", 9),
    ("complained", 1),
    ("unsubscribed", 3),
    ("conversion", 5),
)
_TEXT = (("sent", 480), ("delivered", 455), ("clicked", 45), ("failed", 15), ("unsubscribed", 5))
_PUSH = (("sent", 470), ("delivered", 430), ("opened", 70), ("clicked", 25), ("failed", 5))

EVENT_CAMPAIGNS: tuple[EventCampaign, ...] = (
    EventCampaign(
        "meta",
        "act_2000000001",
        "2380000001",
        30,
        _WEB,
        ("61001", "61002", "61003"),
        700_000,
        24_000_000,
        "EUR",
        "Europe/Berlin",
    ),
    EventCampaign(
        "meta",
        "act_2000000001",
        "2380000002",
        18,
        _WEB,
        ("61004", "61005"),
        520_000,
        18_000_000,
        "EUR",
        "Europe/Berlin",
    ),
    EventCampaign(
        "meta",
        "act_2000000002",
        "2380000003",
        14,
        _WEB,
        ("61006", "61007"),
        610_000,
        21_000_000,
        "USD",
        "America/New_York",
    ),
    EventCampaign(
        "email", "list-1", "newsletter-47", 18, _MAIL, ("subject-a", "subject-b"), 0, 31_000_000, "EUR", "Europe/Berlin"
    ),
    EventCampaign("sms", "shop-1", "winter-code", 10, _TEXT, (), 0, 0, None, "Asia/Kolkata"),
    EventCampaign("push", "app-1", "price-drop", 10, _PUSH, (), 0, 0, None, None),
)
_WEIGHTS = sum(campaign.weight for campaign in EVENT_CAMPAIGNS)

# One event in a hundred comes late, by minutes to three hours; one in fifty is sent a second time.
LATE_PER_MILLE = 10
TWICE_PER_MILLE = 20
_LATEST_MS = 3 * HOUR_MS


@dataclass(frozen=True, slots=True)
class MarketEvent:
    """`body` is what goes over the wire; `twice`: it is to be sent again with the same id; `at_ms` its own time."""

    body: dict[str, Any]
    key: str
    at_ms: int
    late: bool
    twice: bool


def event(seed: int, run: str, number: int, now_ms: int) -> MarketEvent:
    """The `number`-th event of a run. `run` keeps the ids of two runs apart; `now_ms` is pulse time."""

    def chance(name: str, below: int) -> int:
        return draw(seed, "event", run, number, name, below=below)

    campaign = _pick(chance("campaign", _WEIGHTS))
    kind = _pick_type(campaign, chance("type", sum(weight for _, weight in campaign.types)))
    late = chance("late", 1000) < LATE_PER_MILLE
    back_ms = 5 * _MINUTE_MS + chance("back", _LATEST_MS) if late else chance("back", 900)
    at_ms = now_ms - back_ms
    body: dict[str, Any] = {
        "event_id": f"sim-{seed}-{run}-{number}",
        "platform": campaign.platform,
        "account_id": campaign.account_id,
        "campaign_id": campaign.campaign_id,
        # Both ways of writing an instant are in use.
        "at": at_ms if number % 2 else utc_text(at_ms),
        "type": kind,
    }
    if campaign.ads:
        body["ad_id"] = campaign.ads[chance("ad", len(campaign.ads))]
    if campaign.currency:
        body["currency"] = campaign.currency
    if campaign.zone:
        body["zone"] = campaign.zone
    if kind == "impression" and chance("bulk", 10) == 0:
        body["count"] = 2 + chance("count", 8)
    if kind == "click" and campaign.click_micros:
        body["spend_micros"] = campaign.click_micros * (800 + chance("price", 400)) // 1000
    if kind == "conversion" and campaign.order_micros:
        body["revenue_micros"] = campaign.order_micros * (500 + chance("order", 1000)) // 1000
        if chance("shared", 4) == 0:
            body["conversions_micros"] = 250_000 * (1 + chance("share", 3))
    return MarketEvent(body, campaign.key, at_ms, late, chance("twice", 1000) < TWICE_PER_MILLE)


def _pick(place: int) -> EventCampaign:
    for campaign in EVENT_CAMPAIGNS:
        place -= campaign.weight
        if place < 0:
            return campaign
    raise ValueError(place)


def _pick_type(campaign: EventCampaign, place: int) -> str:
    for kind, weight in campaign.types:
        place -= weight
        if place < 0:
            return kind
    raise ValueError(place)
