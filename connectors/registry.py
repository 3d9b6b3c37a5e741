"""Every reporting source there is, and how to build it. A source that is not in this list does not exist."""

from collections.abc import Callable

import httpx

from connectors.clock import Clock
from connectors.google_ads.source import GoogleAdsSource
from connectors.lookback import Lookback
from connectors.settings import Settings
from connectors.source import Source

SOURCES: dict[str, Callable[[Settings, httpx.AsyncClient, Clock], Source]] = {
    "google-ads": lambda settings, http, clock: GoogleAdsSource(settings.google_ads, http, clock),
}
LOOKBACKS: dict[str, Callable[[Settings], Lookback]] = {
    "google-ads": lambda settings: Lookback(
        settings.google_ads.lookback_days,
        settings.google_ads.daily_lookback_days,
        settings.google_ads.weekly_lookback_days,
    ),
}
