"""The seeded faults do what their labels say, wherever in the day the story begins."""

from datetime import date, timedelta

import pytest

from connectors.simulator.calendar import DAY_MS, HOUR_MS, local_date, midnight_ms, slot_start_ms, slots
from connectors.simulator.campaign import Role, SimCampaign
from connectors.simulator.figures import NOTHING, Figures
from connectors.simulator.market import Market
from connectors.simulator.market_settings import MINUTE_MS, MarketSettings
from connectors.simulator.story import FaultLabel, incident, story_day

# A Saturday, and every third hour of it: the story must not depend on when somebody starts the demo.
STARTS = [1_795_219_200_000 + hour * HOUR_MS + 17 * MINUTE_MS for hour in range(0, 24, 3)]


def started(anchor_ms: int, seed: int = 1) -> Market:
    return Market(MarketSettings(seed=seed, anchor_ms=anchor_ms))


def label(market: Market, role: Role) -> FaultLabel:
    return next(found for found in market.labels if found.label == role)


def yesterday(market: Market, campaign: SimCampaign) -> date:
    return local_date(campaign.account.zone, market.settings.anchor_ms) - timedelta(days=1)


def hour_at(market: Market, campaign: SimCampaign, start_ms: int, as_of_ms: int) -> Figures:
    for day in (local_date(campaign.account.zone, start_ms),):
        for slot in slots(campaign.account.zone, day):
            if slot.start_ms == start_ms:
                return market.slot(campaign, slot, as_of_ms)
    raise AssertionError(start_ms)


@pytest.mark.parametrize("anchor_ms", STARTS)
def test_the_overspending_campaign_was_over_its_budget_yesterday_and_is_again_by_four_in_the_morning(
    anchor_ms: int,
) -> None:
    market = started(anchor_ms)
    campaign = market.by_role(Role.OVERSPEND)
    day = yesterday(market, campaign)
    assert market.day(campaign, day, anchor_ms).cost_micros > 1.5 * campaign.budget_micros
    today = day + timedelta(days=1)
    four_ms = midnight_ms(campaign.account.zone, today) + 4 * HOUR_MS
    assert market.day(campaign, today, four_ms).cost_micros > campaign.budget_micros


@pytest.mark.parametrize("anchor_ms", STARTS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_restated_days_cross_their_budget_before_and_end_where_the_label_says(anchor_ms: int, seed: int) -> None:
    market = started(anchor_ms, seed)
    for role, low, high in ((Role.RESTATED_BELOW, 0.6, 0.9), (Role.RESTATED_ABOVE, 1.05, 1.6)):
        campaign, found = market.by_role(role), label(market, role)
        day = date.fromisoformat(found.day or "")
        assert day == local_date(campaign.account.zone, found.from_ms) - timedelta(days=1)
        # What a reader sees in its first run, even when the day is not quite over yet.
        assert market.day(campaign, day, anchor_ms).cost_micros > campaign.budget_micros
        assert market.day(campaign, day, found.from_ms - 1).cost_micros > campaign.budget_micros
        share = market.day(campaign, day, found.from_ms).cost_micros / campaign.budget_micros
        assert low < share < high


def test_the_days_around_a_restated_one_stay_within_the_budget() -> None:
    market = started(STARTS[3])
    for role in (Role.RESTATED_BELOW, Role.RESTATED_ABOVE):
        campaign = market.by_role(role)
        for away in (-3, -2, -1, 1):
            day = story_day(market.settings, campaign) + timedelta(days=away)
            assert market.day(campaign, day, STARTS[3] + 5 * DAY_MS).cost_micros < 0.9 * campaign.budget_micros


@pytest.mark.parametrize("anchor_ms", STARTS)
def test_the_spike_and_the_collapse_are_in_the_last_complete_hour(anchor_ms: int) -> None:
    market = started(anchor_ms)
    spike, collapse = market.by_role(Role.SPEND_SPIKE), market.by_role(Role.CTR_COLLAPSE)
    for campaign in (spike, collapse):
        hours = incident(market.settings, campaign)
        assert hours is not None
        assert hours[1] == slot_start_ms(campaign.account.zone, anchor_ms)
        assert hours[1] - hours[0] == HOUR_MS
    hot = slot_start_ms(spike.account.zone, anchor_ms) - HOUR_MS
    calm = [hour_at(market, spike, hot - n * HOUR_MS, anchor_ms).cost_micros for n in range(1, 20)]
    assert hour_at(market, spike, hot, anchor_ms).cost_micros > 3 * max(calm)
    poor = hour_at(market, collapse, slot_start_ms(collapse.account.zone, anchor_ms) - HOUR_MS, anchor_ms)
    assert poor.impressions > 300
    assert poor.clicks * 4 < poor.impressions * collapse.ctr_ppm // 1_000_000


def test_the_live_spike_comes_after_the_start() -> None:
    market = started(STARTS[2])
    campaign, found = market.by_role(Role.SPEND_SPIKE_LIVE), label(market, Role.SPEND_SPIKE_LIVE)
    assert STARTS[2] < found.from_ms <= STARTS[2] + HOUR_MS
    assert found.until_ms == found.from_ms + HOUR_MS
    normal = hour_at(market, campaign, found.from_ms - 2 * HOUR_MS, STARTS[2] + DAY_MS)
    assert hour_at(market, campaign, found.from_ms, STARTS[2] + DAY_MS).cost_micros > 3 * normal.cost_micros


def test_the_silent_hours_are_silent_and_only_they() -> None:
    market = started(STARTS[2])
    campaign, found = market.by_role(Role.ZERO_SPEND), label(market, Role.ZERO_SPEND)
    assert hour_at(market, campaign, found.from_ms, STARTS[2]) == NOTHING
    assert hour_at(market, campaign, found.from_ms + HOUR_MS, STARTS[2]) == NOTHING
    assert hour_at(market, campaign, found.from_ms - HOUR_MS, STARTS[2]).impressions > 0
    assert hour_at(market, campaign, found.from_ms + 2 * HOUR_MS, STARTS[2]).impressions > 0


def test_exactly_the_labelled_campaigns_break_the_default_limits_of_a_full_day() -> None:
    market = started(STARTS[3])
    broken: dict[str, set[str]] = {"ctr": set(), "roas": set(), "cpc": set()}
    for campaign in market.campaigns:
        figures = market.day(campaign, yesterday(market, campaign), STARTS[3])
        if not figures.clicks or campaign.role is Role.CTR_COLLAPSE:
            continue
        if figures.clicks * 100 < 5 * figures.impressions:
            broken["ctr"].add(campaign.role)
        if figures.value_micros < 2 * figures.cost_micros:
            broken["roas"].add(campaign.role)
        if figures.cost_micros > 2_000_000 * figures.clicks:
            broken["cpc"].add(campaign.role)
    assert broken == {"ctr": {Role.LOW_CTR}, "roas": {Role.LOW_ROAS}, "cpc": {Role.HIGH_CPC}}


def test_a_budget_is_raised_and_a_campaign_paused_while_the_demo_runs() -> None:
    market = started(STARTS[1])
    raised, paused = market.by_role(Role.BUDGET_RAISED), market.by_role(Role.PAUSED_LIVE)
    raised_ms, paused_ms = label(market, Role.BUDGET_RAISED).from_ms, label(market, Role.PAUSED_LIVE).from_ms
    assert market.state(raised, raised_ms - 1).budget_micros == raised.budget_micros
    assert market.state(raised, raised_ms).budget_micros == raised.budget_micros * 5 // 4
    assert market.state(paused, paused_ms - 1).status == "ENABLED"
    assert market.state(paused, paused_ms).status == "PAUSED"
    day = local_date(paused.account.zone, paused_ms)
    assert market.day(paused, day, paused_ms).impressions == market.day(paused, day, paused_ms + 60_000).impressions


def test_the_vanished_day_and_the_deleted_ad_are_gone_from_their_instant_on() -> None:
    market = started(STARTS[3])
    gone, found = market.by_role(Role.VANISHED_DAY), label(market, Role.VANISHED_DAY)
    day = date.fromisoformat(found.day or "")
    assert market.day(gone, day, found.from_ms - 1) != NOTHING
    assert market.day(gone, day, found.from_ms) == NOTHING
    losing, at_ms = market.by_role(Role.AD_DELETED), label(market, Role.AD_DELETED).from_ms
    day = yesterday(market, losing)
    before, after = market.ad_day(losing, day, at_ms - 1), market.ad_day(losing, day, at_ms)
    assert before[0][1] != NOTHING
    assert after[0][1] == NOTHING
    assert [figures.cost_micros for _, figures in after[1:]] == [figures.cost_micros for _, figures in before[1:]]
