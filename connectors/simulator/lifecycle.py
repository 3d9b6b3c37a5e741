"""How a campaign's own description changes with time: status, budget, and the spans in which it serves."""

from dataclasses import dataclass

from connectors.simulator.calendar import HOUR_MS
from connectors.simulator.campaign import Role, SimCampaign
from connectors.simulator.market_settings import MarketSettings

_RAISED_PERCENT = 125


@dataclass(frozen=True, slots=True)
class CampaignState:
    """The campaign as of an instant, in the platform's words. Budgets in micros of the account's currency."""

    status: str  # ENABLED, PAUSED, REMOVED
    serving_status: str
    primary_status: str
    primary_status_reasons: tuple[str, ...]
    budget_micros: int | None
    total_budget_micros: int | None


def paused_from_ms(settings: MarketSettings, campaign: SimCampaign) -> int | None:
    """When a person pauses the campaign, or None."""
    if campaign.role is Role.PAUSED_LIVE:
        return settings.anchor_ms + settings.paused_after_ms
    return campaign.stop_ms if campaign.role is Role.PAUSED else None


def state_at(settings: MarketSettings, campaign: SimCampaign, as_of_ms: int) -> CampaignState:
    """Status and budgets as the entity report shows them at the instant."""
    budget: int | None = campaign.budget_micros
    if campaign.role is Role.BUDGET_RAISED and as_of_ms >= settings.anchor_ms + settings.budget_raised_after_ms:
        budget = campaign.budget_micros * _RAISED_PERCENT // 100
    if campaign.total_budget_micros is not None:
        budget = None
    paused_ms = paused_from_ms(settings, campaign)
    stopped = campaign.stop_ms is not None and as_of_ms >= campaign.stop_ms
    if paused_ms is not None and as_of_ms >= paused_ms:
        words: tuple[str, str, str, tuple[str, ...]] = ("PAUSED", "SUSPENDED", "PAUSED", ("CAMPAIGN_PAUSED",))
    elif stopped and campaign.role is Role.REMOVED:
        words = ("REMOVED", "NONE", "REMOVED", ("CAMPAIGN_REMOVED",))
    elif stopped:
        words = ("ENABLED", "ENDED", "ENDED", ("CAMPAIGN_ENDED",))
    elif campaign.role is Role.OVERSPEND:
        words = ("ENABLED", "SERVING", "LIMITED", ("BUDGET_CONSTRAINED",))
    else:
        words = ("ENABLED", "SERVING", "ELIGIBLE", ())
    return CampaignState(*words, budget_micros=budget, total_budget_micros=campaign.total_budget_micros)


def served_ms(settings: MarketSettings, campaign: SimCampaign, slot_start_ms: int, until_ms: int) -> int:
    """How many ms of the hour the campaign has served by `until_ms`: 0 to an hour."""
    stop_ms = min(
        edge
        for edge in (slot_start_ms + HOUR_MS, until_ms, campaign.stop_ms, paused_from_ms(settings, campaign))
        if edge is not None
    )
    return max(0, stop_ms - max(slot_start_ms, campaign.start_ms))
