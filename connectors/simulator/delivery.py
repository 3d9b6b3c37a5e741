"""What an hour of a campaign comes to once every conversion is in and before anybody restates it."""

from functools import lru_cache

from connectors.simulator.calendar import Slot
from connectors.simulator.campaign import SimCampaign
from connectors.simulator.draw import PPM, Noise
from connectors.simulator.figures import Figures
from connectors.simulator.market_settings import MarketSettings
from connectors.simulator.shape import SHAPES
from connectors.simulator.story import effect

# Spread of the noise, ppm of the value: calm enough that an ordinary hour is no anomaly.
_DAY_SIGMA, _HOUR_SIGMA, _CTR_SIGMA, _CPC_SIGMA, _CVR_SIGMA, _VALUE_SIGMA = (
    30_000,
    60_000,
    30_000,
    30_000,
    120_000,
    60_000,
)
_VIDEO_SHARE_PPM = 310_000


@lru_cache(maxsize=200_000)
def full_hour(settings: MarketSettings, campaign: SimCampaign, slot: Slot) -> Figures:
    """The whole hour, final, as if the campaign served all of it. Same arguments, same figures."""
    shape = SHAPES[campaign.shape]
    noise = Noise.of(settings.seed, "hour", campaign.campaign_id, slot.start_ms)
    day_noise = Noise.of(settings.seed, "day", campaign.campaign_id, slot.day).factor_ppm(0, _DAY_SIGMA)
    story = effect(settings, campaign, slot.start_ms, slot.day)
    level = campaign.impressions_per_day * shape.hours[slot.hour] * shape.weekdays[slot.weekday] * story.impressions
    impressions = _rounded(
        level * noise.factor_ppm(0, _HOUR_SIGMA) * day_noise,
        shape.day_weight * 1000 * 1000 * PPM * PPM,
    )
    ctr = campaign.ctr_ppm * noise.factor_ppm(1, _CTR_SIGMA) * story.ctr
    clicks = min(impressions, _rounded(impressions * ctr, PPM * PPM * 1000))
    cost_micros = _rounded(clicks * campaign.cpc_micros * noise.factor_ppm(2, _CPC_SIGMA), PPM)
    conversions_micros = _rounded(clicks * campaign.cvr_ppm * noise.factor_ppm(3, _CVR_SIGMA), PPM)
    value_per_conversion_micros = campaign.cpc_micros * campaign.roas_per_mille * 1000 // campaign.cvr_ppm
    value_micros = _rounded(
        conversions_micros * value_per_conversion_micros * noise.factor_ppm(4, _VALUE_SIGMA), PPM * PPM
    )
    return Figures(
        impressions=impressions,
        clicks=clicks,
        cost_micros=cost_micros,
        conversions_micros=conversions_micros,
        value_micros=value_micros,
        view_through=impressions // 900,
        video_views=impressions * _VIDEO_SHARE_PPM // PPM if campaign.type == "VIDEO" else 0,
    )


def _rounded(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
