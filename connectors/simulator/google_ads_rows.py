"""The market's entities and figures as flat rows by GAQL name, before selection and paging."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from connectors.simulator.account import CLIENTS, MANAGER, Account
from connectors.simulator.calendar import local_text
from connectors.simulator.campaign import Ad, SimCampaign
from connectors.simulator.figures import NOTHING, Figures, total
from connectors.simulator.google_ads_fields import DATE, HOUR
from connectors.simulator.market import Market

_MICROS = 1_000_000
_NO_END = "2037-12-30 23:59:59"
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """Which periods a report covers, and how finely: by day, by hour of the day, or all in one."""

    days: tuple[date, ...]
    by_day: bool
    by_hour: bool


def client_rows(manager: Account) -> Iterator[Values]:
    """The manager itself (level 0) and every account under it."""
    for level, account in ((0, manager), *((1, client) for client in CLIENTS)):
        yield customer_values(manager) | {
            "customer_client.resource_name": f"customers/{manager.account_id}/customerClients/{account.account_id}",
            "customer_client.id": account.account_id,
            "customer_client.descriptive_name": account.name,
            "customer_client.currency_code": account.currency,
            "customer_client.time_zone": account.zone,
            "customer_client.manager": account.manager,
            "customer_client.level": level,
            "customer_client.status": "ENABLED" if account.enabled else "CANCELED",
        }


def customer_values(account: Account) -> Values:
    return {
        "customer.resource_name": f"customers/{account.account_id}",
        "customer.id": account.account_id,
        "customer.descriptive_name": account.name,
        "customer.currency_code": account.currency,
        "customer.time_zone": account.zone,
        "customer.manager": account.manager,
        "customer.status": "ENABLED" if account.enabled else "CANCELED",
    }


def customer_rows(market: Market, account: Account, span: Span, as_of_ms: int) -> Iterator[Values]:
    """The account's own report: the sum over its campaigns."""
    by_period: dict[tuple[str, ...], tuple[Values, list[Figures]]] = {}
    for campaign in market.campaigns_of(account.account_id):
        for segments, figures in _periods(market, campaign, span, as_of_ms):
            key = tuple(str(value) for value in segments.values())
            by_period.setdefault(key, (segments, []))[1].append(figures)
    for segments, parts in by_period.values():
        yield customer_values(account) | segments | metric_values(total(parts))


def campaign_rows(market: Market, account: Account, span: Span, as_of_ms: int) -> Iterator[Values]:
    """Campaigns by the periods of the span. Zero rows are still among them."""
    for campaign in market.campaigns_of(account.account_id):
        entity = campaign_values(market, campaign, as_of_ms)
        for segments, figures in _periods(market, campaign, span, as_of_ms):
            yield entity | segments | metric_values(figures)


def ad_rows(market: Market, account: Account, span: Span, as_of_ms: int) -> Iterator[Values]:
    """Ads by day, or over all days. Campaigns without ads have no row at all."""
    for campaign in market.campaigns_of(account.account_id):
        entity = campaign_values(market, campaign, as_of_ms)
        per_ad: dict[str, list[Figures]] = {ad.ad_id: [] for ad in campaign.ads}
        for day in span.days:
            for ad, figures in market.ad_day(campaign, day, as_of_ms):
                if span.by_day:
                    yield (
                        entity
                        | ad_values(market, campaign, ad, as_of_ms)
                        | {DATE: day.isoformat()}
                        | metric_values(figures)
                    )
                per_ad[ad.ad_id].append(figures)
        if not span.by_day:
            for ad in campaign.ads:
                yield entity | ad_values(market, campaign, ad, as_of_ms) | metric_values(total(per_ad[ad.ad_id]))


def _periods(market: Market, campaign: SimCampaign, span: Span, as_of_ms: int) -> Iterator[tuple[Values, Figures]]:
    if not span.by_day and not span.by_hour:
        yield {}, total([market.day(campaign, day, as_of_ms) for day in span.days])
        return
    over_days: dict[int, Figures] = {}
    for day in span.days:
        if not span.by_hour:
            yield {DATE: day.isoformat()}, market.day(campaign, day, as_of_ms)
            continue
        for hour, figures in market.hours(campaign, day, as_of_ms).items():
            if span.by_day:
                yield {DATE: day.isoformat(), HOUR: hour}, figures
            else:
                over_days[hour] = over_days.get(hour, NOTHING).plus(figures)
    yield from (({HOUR: hour}, figures) for hour, figures in sorted(over_days.items()))


def campaign_values(market: Market, campaign: SimCampaign, as_of_ms: int) -> Values:
    """The campaign and its budget as of the instant."""
    account = campaign.account
    state = market.state(campaign, as_of_ms)
    budget_name = f"customers/{account.account_id}/campaignBudgets/{campaign.budget_id}"
    sharing = sum(1 for other in market.campaigns if other.budget_id == campaign.budget_id)
    end = _NO_END if campaign.stop_ms is None else local_text(account.zone, campaign.stop_ms - 1000)
    return customer_values(account) | {
        "campaign.resource_name": f"customers/{account.account_id}/campaigns/{campaign.campaign_id}",
        "campaign.id": campaign.campaign_id,
        "campaign.name": campaign.name,
        "campaign.status": state.status,
        "campaign.serving_status": state.serving_status,
        "campaign.primary_status": state.primary_status,
        "campaign.primary_status_reasons": list(state.primary_status_reasons),
        "campaign.advertising_channel_type": campaign.type,
        "campaign.start_date_time": local_text(account.zone, campaign.start_ms),
        "campaign.end_date_time": end,
        "campaign.campaign_budget": budget_name,
        "campaign_budget.resource_name": budget_name,
        "campaign_budget.id": campaign.budget_id,
        "campaign_budget.name": f"Budget {campaign.budget_id[-3:]}",
        "campaign_budget.amount_micros": state.budget_micros,
        "campaign_budget.total_amount_micros": state.total_budget_micros,
        "campaign_budget.period": "DAILY" if state.total_budget_micros is None else "CUSTOM_PERIOD",
        "campaign_budget.delivery_method": "STANDARD",
        "campaign_budget.explicitly_shared": campaign.budget_shared,
        "campaign_budget.reference_count": sharing,
        "campaign_budget.status": "ENABLED",
    }


def ad_values(market: Market, campaign: SimCampaign, ad: Ad, as_of_ms: int) -> Values:
    customer = f"customers/{campaign.account.account_id}"
    return {
        "ad_group.resource_name": f"{customer}/adGroups/{ad.ad_group_id}",
        "ad_group.id": ad.ad_group_id,
        "ad_group.name": ad.ad_group_name,
        "ad_group.status": "ENABLED",
        "ad_group_ad.resource_name": f"{customer}/adGroupAds/{ad.ad_group_id}~{ad.ad_id}",
        "ad_group_ad.status": market.ad_status(campaign, ad, as_of_ms),
        "ad_group_ad.ad.resource_name": f"{customer}/ads/{ad.ad_id}",
        "ad_group_ad.ad.id": ad.ad_id,
        "ad_group_ad.ad.name": ad.name,
        "ad_group_ad.ad.type": ad.type,
    }


def metric_values(figures: Figures) -> Values:
    """All conversions count a fifth more than those in the column (calls, store visits)."""
    return {
        "metrics.impressions": figures.impressions,
        "metrics.clicks": figures.clicks,
        "metrics.interactions": figures.clicks,
        "metrics.cost_micros": figures.cost_micros,
        "metrics.conversions": figures.conversions_micros / _MICROS,
        "metrics.conversions_value": figures.value_micros / _MICROS,
        "metrics.all_conversions": figures.conversions_micros * 6 // 5 / _MICROS,
        "metrics.all_conversions_value": figures.value_micros * 6 // 5 / _MICROS,
        "metrics.view_through_conversions": figures.view_through,
        "metrics.video_trueview_views": figures.video_views,
    }


def reachable(account_id: str, market: Market, *, login_customer_id: str) -> bool:
    """Whether the caller may read the account: the manager directly, its clients through the manager."""
    if market.account(account_id) is None:
        return False
    return MANAGER.account_id in {account_id, login_customer_id}
