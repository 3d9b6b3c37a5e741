"""The source topics of the stages, for those who only need the names."""

from schemas.topics import BUDGET_DAYS, RAW_EVENTS, RAW_GOOGLE_ADS, TOTALS

SOURCES: tuple[str, ...] = (RAW_EVENTS, RAW_GOOGLE_ADS, TOTALS, BUDGET_DAYS)
