"""The source topics of the stages, for those who only need the names."""

from schemas.topics import RAW_EVENTS, RAW_GOOGLE_ADS, TOTALS

SOURCES: tuple[str, ...] = (RAW_EVENTS, RAW_GOOGLE_ADS, TOTALS)
