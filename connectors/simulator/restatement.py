"""A platform changing a day it has already reported: spend credited back, corrected up, or the whole day gone."""

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from connectors.simulator.calendar import HOUR_MS, day_end_ms
from connectors.simulator.campaign import Role, SimCampaign
from connectors.simulator.draw import draw
from connectors.simulator.figures import NOTHING, Figures
from connectors.simulator.market_settings import MarketSettings
from connectors.simulator.story import restated_at_ms, story_day

PER_MILLE = 1000
# A labelled day is restated by its label only, or the label would be wrong.
_LABELLED = frozenset({Role.RESTATED_BELOW, Role.RESTATED_ABOVE, Role.VANISHED_DAY, Role.OVERSPEND})


@dataclass(frozen=True, slots=True)
class Restatement:
    """From `from_ms` on, the day's cost is `cost_per_mille` of what it was and its clicks `clicks_per_mille`.

    Conversions and impressions stay, unless `cost_per_mille` is 0: then the row is all zero, and the API omits it.
    With `ad_id` it concerns that ad's rows alone.
    """

    account_id: str
    campaign_id: str
    day: str
    from_ms: int
    cost_per_mille: int
    clicks_per_mille: int = PER_MILLE
    ad_id: str | None = None

    def apply(self, figures: Figures) -> Figures:
        if self.cost_per_mille == 0:
            return NOTHING
        return figures._replace(
            cost_micros=figures.cost_micros * self.cost_per_mille // PER_MILLE,
            clicks=figures.clicks * self.clicks_per_mille // PER_MILLE,
        )


@lru_cache(maxsize=50_000)
def planned(settings: MarketSettings, campaign: SimCampaign, day: date) -> tuple[Restatement, ...]:
    """The restatements the market itself makes of a campaign's day, earliest first."""
    if campaign.role in (Role.RESTATED_BELOW, Role.RESTATED_ABOVE, Role.VANISHED_DAY):
        return _labelled(settings, campaign, day)
    if campaign.role in _LABELLED:
        return ()
    name = ("restate", campaign.campaign_id, day.isoformat())
    chance = draw(settings.seed, *name, below=1000)
    if chance >= settings.restated_per_mille:
        return ()
    after_h = 2 + draw(settings.seed, *name, "after", below=58)
    from_ms = day_end_ms(campaign.account.zone, day) + after_h * HOUR_MS
    if chance < settings.credited_to_zero_per_mille:
        cost, clicks = 0, 0
    elif draw(settings.seed, *name, "up", below=10) < 4:
        cost, clicks = 1005 + draw(settings.seed, *name, "by", below=36), PER_MILLE
    else:
        cost = clicks = 900 + draw(settings.seed, *name, "by", below=86)
    return (_of(campaign, day, from_ms, cost, clicks),)


def _labelled(settings: MarketSettings, campaign: SimCampaign, day: date) -> tuple[Restatement, ...]:
    if day != story_day(settings, campaign):
        return ()
    cost, clicks = {
        Role.RESTATED_BELOW: (600, 600),  # 1.33 of the budget becomes 0.8
        Role.RESTATED_ABOVE: (820, 820),  # 1.61 becomes 1.32
        Role.VANISHED_DAY: (0, 0),
    }[campaign.role]
    return (_of(campaign, day, restated_at_ms(settings, campaign.role), cost, clicks),)


def _of(campaign: SimCampaign, day: date, from_ms: int, cost: int, clicks: int) -> Restatement:
    return Restatement(campaign.account.account_id, campaign.campaign_id, day.isoformat(), from_ms, cost, clicks)
