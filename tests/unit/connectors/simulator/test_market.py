"""The market: a function of settings and instant, whose parts add up."""

from datetime import date, timedelta
from typing import Any

import pytest

from connectors.simulator.calendar import DAY_MS, HOUR_MS, local_date, slots
from connectors.simulator.campaign import Role, SimCampaign
from connectors.simulator.figures import NOTHING, total
from connectors.simulator.market import Market
from connectors.simulator.market_settings import MINUTE_MS, MarketSettings
from connectors.simulator.restatement import Restatement, planned

ANCHOR_MS = 1_795_244_400_000  # 2026-11-21 07:00 UTC
LONG_AFTER_MS = ANCHOR_MS + 400 * DAY_MS


def market(**settings: Any) -> Market:
    return Market(MarketSettings(anchor_ms=ANCHOR_MS, **settings))


def yesterday(campaign: SimCampaign) -> date:
    return local_date(campaign.account.zone, ANCHOR_MS) - timedelta(days=1)


def test_two_markets_of_one_seed_agree_in_every_figure_whatever_was_asked_before() -> None:
    asked, fresh = market(seed=7), market(seed=7)
    for campaign in asked.campaigns:
        asked.day(campaign, yesterday(campaign), ANCHOR_MS + DAY_MS)
    for mine, theirs in zip(asked.campaigns, reversed(fresh.campaigns), strict=True):
        assert fresh.day(theirs, yesterday(theirs), ANCHOR_MS) == asked.day(theirs, yesterday(theirs), ANCHOR_MS)
        assert fresh.hours(mine, yesterday(mine), ANCHOR_MS) == asked.hours(mine, yesterday(mine), ANCHOR_MS)


def test_another_seed_is_another_market() -> None:
    one, other = market(seed=1), market(seed=2)
    assert one.day(one.campaigns[0], date(2026, 11, 20), ANCHOR_MS) != other.day(
        other.campaigns[0], date(2026, 11, 20), ANCHOR_MS
    )


@pytest.mark.parametrize("as_of_ms", [ANCHOR_MS, ANCHOR_MS + 90 * MINUTE_MS, LONG_AFTER_MS])
def test_the_hours_of_a_day_add_up_to_the_day_exactly(as_of_ms: int) -> None:
    it = market()
    for campaign in it.campaigns:
        for back in range(4):
            day = yesterday(campaign) - timedelta(days=back - 1)
            assert total(list(it.hours(campaign, day, as_of_ms).values())) == it.day(campaign, day, as_of_ms)


def test_ads_add_up_to_slightly_less_than_their_campaign() -> None:
    it = market()
    compared = 0
    for campaign in it.campaigns:
        whole = it.day(campaign, yesterday(campaign), ANCHOR_MS)
        if not campaign.ads or not whole.cost_micros:
            continue
        ads = total([figures for _, figures in it.ad_day(campaign, yesterday(campaign), ANCHOR_MS)])
        assert 0.95 * whole.cost_micros < ads.cost_micros < whole.cost_micros
        assert ads.clicks < whole.clicks
        compared += 1
    assert compared > 10


def test_performance_max_campaigns_spend_and_have_no_ads() -> None:
    it = market()
    found = [c for c in it.campaigns if c.type == "PERFORMANCE_MAX" and c.stop_ms is None]
    assert len(found) >= 2
    for campaign in found:
        assert it.day(campaign, yesterday(campaign), ANCHOR_MS).cost_micros > 0
        assert it.ad_day(campaign, yesterday(campaign), ANCHOR_MS) == ()


def test_the_current_hour_grows_with_time_and_the_next_one_is_empty() -> None:
    it = market()
    campaign = it.by_role(Role.OVERSPEND)
    slot = next(s for s in slots("Europe/Berlin", date(2026, 11, 21)) if s.start_ms <= ANCHOR_MS < s.start_ms + HOUR_MS)
    seen = [it.slot(campaign, slot, slot.start_ms + minute * MINUTE_MS) for minute in range(0, 61, 5)]
    assert seen[0] == NOTHING
    assert [f.impressions for f in seen] == sorted(f.impressions for f in seen)
    assert [f.cost_micros for f in seen] == sorted(f.cost_micros for f in seen)
    assert 0 < seen[6].impressions < seen[-1].impressions


def test_no_hour_shows_money_without_a_click_or_more_clicks_than_impressions() -> None:
    it = market()
    for campaign in it.campaigns:
        for minute in (0, 7, 23, 59):
            day = local_date(campaign.account.zone, ANCHOR_MS)
            for figures in it.hours(campaign, day, ANCHOR_MS + minute * MINUTE_MS).values():
                assert figures.clicks <= figures.impressions
                assert (figures.cost_micros > 0) == (figures.clicks > 0)


def test_conversions_of_a_past_day_grow_for_a_week_and_then_stand_still() -> None:
    it = market(restated_per_mille=0)
    campaign = next(c for c in it.campaigns if c.role is Role.PLAIN)
    day = yesterday(campaign)
    seen = [it.day(campaign, day, ANCHOR_MS + n * DAY_MS).conversions_micros for n in (0, 1, 2, 4, 8, 9)]
    assert seen[:5] == sorted(set(seen[:5]))
    assert seen[4] == seen[5]
    assert any(value % 1_000_000 for value in seen)  # fractional


def test_planned_restatements_go_down_and_up_and_to_zero_and_leave_the_past_alone() -> None:
    it = market(restated_per_mille=400, credited_to_zero_per_mille=40)
    down = up = gone = 0
    for campaign in it.campaigns:
        for back in range(2, 30):
            day = yesterday(campaign) - timedelta(days=back)
            for change in planned(it.settings, campaign, day):
                before = it.day(campaign, day, change.from_ms - 1)
                after = it.day(campaign, day, change.from_ms)
                down += before.cost_micros > after.cost_micros > 0
                up += after.cost_micros > before.cost_micros > 0
                gone += before.cost_micros > 0 and after == NOTHING
    assert down > 20
    assert up > 20
    assert gone > 2


def test_an_ordered_restatement_holds_from_its_instant_on_and_not_before() -> None:
    it = market(restated_per_mille=0)
    campaign = next(c for c in it.campaigns if c.role is Role.PLAIN and c.ads)
    day = yesterday(campaign)
    before = it.day(campaign, day, ANCHOR_MS)
    it.restate(Restatement(campaign.account.account_id, campaign.campaign_id, day.isoformat(), ANCHOR_MS + 1, 500, 500))
    assert it.day(campaign, day, ANCHOR_MS) == before
    after = it.day(campaign, day, ANCHOR_MS + 1)
    # Each hour is halved and rounded down by itself, so the day is short of half by less than a micro an hour.
    assert 0 <= before.cost_micros // 2 - after.cost_micros <= 24
    assert total(list(it.hours(campaign, day, ANCHOR_MS + 1).values())) == after


def test_one_ad_can_be_credited_to_zero_while_its_campaign_stays() -> None:
    it = market(restated_per_mille=0)
    campaign = next(c for c in it.campaigns if c.role is Role.PLAIN and c.ads)
    day, ad = yesterday(campaign), campaign.ads[1]
    before = dict(it.ad_day(campaign, day, ANCHOR_MS))
    it.restate(
        Restatement(campaign.account.account_id, campaign.campaign_id, day.isoformat(), ANCHOR_MS, 0, ad_id=ad.ad_id)
    )
    after = dict(it.ad_day(campaign, day, ANCHOR_MS))
    assert before[ad] != NOTHING
    assert after == {**before, ad: NOTHING}


def test_the_reporting_lag_shows_the_figures_of_earlier() -> None:
    prompt, lagging = market(restated_per_mille=0), market(restated_per_mille=0, reporting_lag_ms=2 * HOUR_MS)
    campaign = prompt.by_role(Role.OVERSPEND)
    today = local_date(campaign.account.zone, ANCHOR_MS)
    assert lagging.day(campaign, today, ANCHOR_MS) == prompt.day(campaign, today, ANCHOR_MS - 2 * HOUR_MS)


def test_a_large_market_has_as_many_campaigns_as_asked_for_with_ids_of_their_own() -> None:
    it = market(campaigns=1500)
    assert len({c.campaign_id for c in it.campaigns}) == 1500
    ads = [ad.ad_id for c in it.campaigns for ad in c.ads]
    assert len(set(ads)) == len(ads)


def test_a_market_too_small_for_a_part_says_so() -> None:
    with pytest.raises(LookupError, match="ended"):
        market(campaigns=3).by_role(Role.ENDED)
