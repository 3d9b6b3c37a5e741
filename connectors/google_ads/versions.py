"""When API versions end, so that somebody is told in time. Source: Google Ads API sunset dates (read 2026-11)."""

from datetime import date

ENDS: dict[str, date] = {
    "v22": date(2026, 10, 7),
    "v23": date(2027, 2, 1),
    "v24": date(2027, 5, 1),
    "v25": date(2027, 8, 1),
    "v26": date(2027, 11, 1),
}
ALARM_DAYS = 60


def warning(version: str, today: date) -> str | None:
    """A sentence when the version ends within `ALARM_DAYS` or has ended; None otherwise and for unknown versions."""
    end = ENDS.get(version)
    if end is None or (end - today).days > ALARM_DAYS:
        return None
    when = f"ends on {end}" if end > today else f"ended on {end}"
    newest = max(ENDS, key=lambda name: ENDS[name])
    later = newest if ENDS[newest] > end else "a later version"
    return f"Google Ads API {version} {when}; set google_ads.api_version to {later}"
