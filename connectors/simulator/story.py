"""The seeded faults: what each role does to delivery, when, and the label tests and people find it by."""

from dataclasses import dataclass
from datetime import date, timedelta

from connectors.simulator.calendar import HOUR_MS, local_date, midnight_ms, slot_start_ms
from connectors.simulator.campaign import Role, SimCampaign
from connectors.simulator.market_settings import MarketSettings

NORMAL = 1000
_SPIKE_PER_MILLE = 6_000
_COLLAPSED_CTR_PER_MILLE = 120


@dataclass(frozen=True, slots=True)
class FaultLabel:
    """A fault on purpose. `from_ms`: the first `as_of` at which reports show it; `day`: the local day it is about."""

    label: str
    account_id: str
    campaign_id: str
    what: str
    from_ms: int
    until_ms: int | None = None
    day: str | None = None


@dataclass(frozen=True, slots=True)
class SlotEffect:
    """Factors per mille on an hour's impressions and on its click-through rate."""

    impressions: int = NORMAL
    ctr: int = NORMAL


_NONE = SlotEffect()


def restated_at_ms(settings: MarketSettings, role: Role) -> int:
    after = {
        Role.RESTATED_BELOW: settings.restated_below_after_ms,
        Role.RESTATED_ABOVE: settings.restated_above_after_ms,
        Role.VANISHED_DAY: settings.vanished_after_ms,
    }
    return settings.anchor_ms + after[role]


def story_day(settings: MarketSettings, campaign: SimCampaign) -> date:
    """The local day a restatement is about: yesterday at the moment of restating, so that every look-back sees it."""
    return local_date(campaign.account.zone, restated_at_ms(settings, campaign.role)) - timedelta(days=1)


def incident(settings: MarketSettings, campaign: SimCampaign) -> tuple[int, int] | None:
    """`[from, until)` of the hour or hours a role spoils, on the account's full hours; None when it spoils none."""
    now_ms = slot_start_ms(campaign.account.zone, settings.anchor_ms)
    match campaign.role:
        case Role.SPEND_SPIKE | Role.CTR_COLLAPSE:
            return now_ms - HOUR_MS, now_ms
        case Role.SPEND_SPIKE_LIVE:
            return now_ms + HOUR_MS, now_ms + 2 * HOUR_MS
        case Role.ZERO_SPEND:
            return now_ms - 3 * HOUR_MS, now_ms - HOUR_MS
        case _:
            return None


def effect(settings: MarketSettings, campaign: SimCampaign, slot_start: int, day: str) -> SlotEffect:
    """What the story does to one hour of one campaign."""
    match campaign.role:
        case Role.RESTATED_BELOW if day == story_day(settings, campaign).isoformat():
            return SlotEffect(impressions=1_900)  # 0.7 of the budget becomes 1.33
        case Role.RESTATED_ABOVE if day == story_day(settings, campaign).isoformat():
            return SlotEffect(impressions=2_300)  # 1.61 of the budget
    hours = incident(settings, campaign)
    if hours is None or not hours[0] <= slot_start < hours[1]:
        return _NONE
    match campaign.role:
        case Role.CTR_COLLAPSE:
            return SlotEffect(ctr=_COLLAPSED_CTR_PER_MILLE)
        case Role.ZERO_SPEND:
            return SlotEffect(impressions=0)
        case _:
            return SlotEffect(impressions=_SPIKE_PER_MILLE)


_WHAT = {
    Role.OVERSPEND: "spends 1.9 times its daily budget every day, past it before four in the morning",
    Role.LOW_CTR: "CTR near 1.8 %",
    Role.LOW_ROAS: "ROAS near 1.2 once conversions are in",
    Role.HIGH_CPC: "CPC near 3.40",
    Role.SPEND_SPIKE: "one hour with six times the spend",
    Role.CTR_COLLAPSE: "one hour with an eighth of the clicks",
    Role.SPEND_SPIKE_LIVE: "one hour with six times the spend, after the start",
    Role.ZERO_SPEND: "two hours without delivery",
    Role.RESTATED_BELOW: "the day exceeded its budget and is restated to about 0.8 of it",
    Role.RESTATED_ABOVE: "the day exceeded its budget and is restated to about 1.3 of it",
    Role.VANISHED_DAY: "the day is credited to zero: its rows vanish",
    Role.AD_DELETED: "the first ad is deleted: its rows vanish, the campaign's stay",
    Role.BUDGET_RAISED: "the daily budget is raised by a quarter",
    Role.PAUSED_LIVE: "the campaign is paused: delivery stops",
}


def labels(settings: MarketSettings, campaigns: tuple[SimCampaign, ...]) -> tuple[FaultLabel, ...]:
    """Every seeded fault of the market, in the order of the campaigns."""
    found = []
    for campaign in campaigns:
        what = _WHAT.get(campaign.role)
        if what is None:
            continue
        from_ms, until_ms, day = _when(settings, campaign)
        found.append(
            FaultLabel(
                campaign.role.value, campaign.account.account_id, campaign.campaign_id, what, from_ms, until_ms, day
            )
        )
    return tuple(found)


def _when(settings: MarketSettings, campaign: SimCampaign) -> tuple[int, int | None, str | None]:
    zone = campaign.account.zone
    hours = incident(settings, campaign)
    if hours is not None:
        return *hours, local_date(zone, hours[0]).isoformat()
    changes = {
        Role.AD_DELETED: settings.ad_deleted_after_ms,
        Role.BUDGET_RAISED: settings.budget_raised_after_ms,
        Role.PAUSED_LIVE: settings.paused_after_ms,
    }
    if campaign.role in (Role.RESTATED_BELOW, Role.RESTATED_ABOVE, Role.VANISHED_DAY):
        return restated_at_ms(settings, campaign.role), None, story_day(settings, campaign).isoformat()
    if campaign.role in changes:
        return settings.anchor_ms + changes[campaign.role], None, None
    if campaign.role is Role.OVERSPEND:
        return midnight_ms(zone, local_date(zone, settings.anchor_ms) - timedelta(days=1)), None, None
    return campaign.start_ms, None, None
