"""The windows totals are kept for. A window is half-open, `[start, end)`, and named by its start."""

from enum import StrEnum


class Window(StrEnum):
    MINUTE = "1m"
    FIVE_MINUTES = "5m"
    HOUR = "1h"  # an hour of the account's clock: starts at :30 UTC in a half-hour zone
    DAY = "1d"  # the account's calendar day: 23, 24 or 25 hours


class Basis(StrEnum):
    """Where a total comes from. The two are never added up: they are two views of one campaign."""

    REPORTED = "reported"  # the platform's own report: snapshots, replaced by later revisions
    COUNTED = "counted"  # events we received, each counted once


class Level(StrEnum):
    CAMPAIGN = "campaign"
    AD = "ad"
