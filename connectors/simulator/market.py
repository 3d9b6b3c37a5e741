"""The market: what the platform would report about a campaign's hour, day or ad, as known at an instant.

Everything is a function of the settings, the restatements added so far, and `as_of_ms`. Hours add up to their
day exactly; ads add up to slightly less than their campaign.
"""

from datetime import date

from connectors.simulator.account import CLIENTS, MANAGER, Account
from connectors.simulator.calendar import HOUR_MS, Slot, slots
from connectors.simulator.campaign import Ad, Role, SimCampaign
from connectors.simulator.conversion_lag import PER_MILLE, known_per_mille
from connectors.simulator.delivery import full_hour
from connectors.simulator.draw import draw
from connectors.simulator.figures import NOTHING, Figures, total
from connectors.simulator.lifecycle import CampaignState, served_ms, state_at
from connectors.simulator.market_settings import MarketSettings
from connectors.simulator.restatement import Restatement, planned
from connectors.simulator.roster import build
from connectors.simulator.story import FaultLabel, labels


class Market:
    """Built once; reading changes nothing. `restate` is the one way to change it, and it says from when."""

    def __init__(self, settings: MarketSettings | None = None) -> None:
        self.settings = settings or MarketSettings()
        self.campaigns = build(self.settings)
        self.accounts = {account.account_id: account for account in (MANAGER, *CLIENTS)}
        self._added: dict[tuple[str, str, str], tuple[Restatement, ...]] = {}

    @property
    def labels(self) -> tuple[FaultLabel, ...]:
        """The seeded faults, with who, what and when."""
        return labels(self.settings, self.campaigns)

    def by_role(self, role: Role) -> SimCampaign:
        """The first campaign with the part. Raises LookupError when the market is too small for it."""
        for campaign in self.campaigns:
            if campaign.role is role:
                return campaign
        raise LookupError(role.value)

    def campaigns_of(self, account_id: str) -> tuple[SimCampaign, ...]:
        return tuple(c for c in self.campaigns if c.account.account_id == account_id)

    def account(self, account_id: str) -> Account | None:
        return self.accounts.get(account_id)

    def restate(self, change: Restatement) -> None:
        """Add a restatement to the market's own. Figures as of an instant before it stay what they were."""
        key = (change.account_id, change.campaign_id, change.day)
        self._added[key] = (*self._added.get(key, ()), change)

    def state(self, campaign: SimCampaign, as_of_ms: int) -> CampaignState:
        """Status and budgets at the instant."""
        return state_at(self.settings, campaign, as_of_ms)

    def slot(self, campaign: SimCampaign, slot: Slot, as_of_ms: int) -> Figures:
        """One real hour of a campaign as known at the instant."""
        reported_ms = as_of_ms - self.settings.reporting_lag_ms
        served = served_ms(self.settings, campaign, slot.start_ms, reported_ms)
        if served == 0:
            return NOTHING
        figures = _so_far(full_hour(self.settings, campaign, slot), served, reported_ms - slot.start_ms)
        for change in self._changes(campaign, date.fromisoformat(slot.day), as_of_ms):
            figures = change.apply(figures)
        return figures

    def hours(self, campaign: SimCampaign, day: date, as_of_ms: int) -> dict[int, Figures]:
        """A local day by the hour the account's clock shows; the doubled hour of a 25-hour day is one sum."""
        found: dict[int, Figures] = {}
        for slot in slots(campaign.account.zone, day):
            found[slot.hour] = found.get(slot.hour, NOTHING).plus(self.slot(campaign, slot, as_of_ms))
        return found

    def day(self, campaign: SimCampaign, day: date, as_of_ms: int) -> Figures:
        """A local day: exactly the sum of its hours."""
        return total([self.slot(campaign, slot, as_of_ms) for slot in slots(campaign.account.zone, day)])

    def ad_day(self, campaign: SimCampaign, day: date, as_of_ms: int) -> tuple[tuple[Ad, Figures], ...]:
        """The ads' parts of a local day; no ads for a Performance Max campaign. A deleted ad has no figures."""
        if not campaign.ads:
            return ()
        whole = self.day(campaign, day, as_of_ms)
        weights = [
            ad.weight * (900 + draw(self.settings.seed, "ad", ad.ad_id, day.isoformat(), below=200))
            for ad in campaign.ads
        ]
        # Some of a campaign's clicks belong to no ad that is reported (sitelinks, removed assets).
        attributed = sum(weights) * 1000 // (975 + draw(self.settings.seed, "seen", campaign.campaign_id, below=20))
        return tuple(
            (ad, self._ad(campaign, ad, day, whole.share(weight, attributed), as_of_ms))
            for ad, weight in zip(campaign.ads, weights, strict=True)
        )

    def ad_status(self, campaign: SimCampaign, ad: Ad, as_of_ms: int) -> str:
        return "REMOVED" if self._deleted(campaign, ad, as_of_ms) else "ENABLED"

    def _ad(self, campaign: SimCampaign, ad: Ad, day: date, figures: Figures, as_of_ms: int) -> Figures:
        if self._deleted(campaign, ad, as_of_ms):
            return NOTHING
        key = (campaign.account.account_id, campaign.campaign_id, day.isoformat())
        for change in self._added.get(key, ()):
            if change.ad_id == ad.ad_id and change.from_ms <= as_of_ms:
                figures = change.apply(figures)
        return figures

    def _deleted(self, campaign: SimCampaign, ad: Ad, as_of_ms: int) -> bool:
        deleted_ms = self.settings.anchor_ms + self.settings.ad_deleted_after_ms
        return campaign.role is Role.AD_DELETED and ad is campaign.ads[0] and as_of_ms >= deleted_ms

    def _changes(self, campaign: SimCampaign, day: date, as_of_ms: int) -> list[Restatement]:
        key = (campaign.account.account_id, campaign.campaign_id, day.isoformat())
        added = [change for change in self._added.get(key, ()) if change.ad_id is None]
        known = [c for c in (*planned(self.settings, campaign, day), *added) if c.from_ms <= as_of_ms]
        return sorted(known, key=lambda change: change.from_ms)


def _so_far(full: Figures, served_in_hour_ms: int, age_ms: int) -> Figures:
    """The part of an hour that has happened, with the part of its conversions that is known."""
    part = full.share(served_in_hour_ms, HOUR_MS)
    known = known_per_mille(age_ms)
    # Cost follows whole clicks, so that no report shows money without a click.
    cost_micros = full.cost_micros * part.clicks // full.clicks if full.clicks else 0
    return part._replace(
        cost_micros=cost_micros,
        conversions_micros=part.conversions_micros * known // PER_MILLE,
        value_micros=part.value_micros * known // PER_MILLE,
    )
