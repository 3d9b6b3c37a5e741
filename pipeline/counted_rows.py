"""The shape of a counted row, in memory and in the changelog, and what is known of its campaign."""

from sys import intern
from typing import Any

from schemas.measures import ZERO
from schemas.window import Window

DAY_MS = 86_400_000

# In the changelog: [order, as_of_ms, revision, flags, end_ms, *measures of schemas.measures as far as one is not 0]
ORDER, AS_OF, REVISION, FLAGS, END, MEASURES_AT = range(6)
# In memory the end is that of the slot (`pipeline.counted_slots`), so the measures follow the flags.
GAINED_AT = END
FINAL = 1  # the window's time is over
CORRECTED = 2  # changed since it became final, and not yet published so

Row = list[Any]
RowKey = tuple[str, str, str, int]  # campaign key, ad id or "", window, start_ms

# How long a window stays correctable after its end or its last change, whichever is later. Small windows
# are for watching; an event that is later than this still counts in the hour and the day.
HORIZON_MS: dict[str, int] = {
    Window.MINUTE: 2 * DAY_MS,
    Window.FIVE_MINUTES: 2 * DAY_MS,
    Window.HOUR: 35 * DAY_MS,
    Window.DAY: 400 * DAY_MS,
}


def measures_in(row: Row) -> list[int]:
    """All of them, whatever the length of the row in memory."""
    return [*row[GAINED_AT:], *ZERO[len(row) - GAINED_AT :]]


def name_of(campaign_key: str, ad_id: str) -> str:
    """Whose row it is, in one string: `campaign key` or `campaign key|ad`. Neither has a `|` of its own."""
    return f"{campaign_key}|{ad_id}" if ad_id else campaign_key


def whose(name: str) -> tuple[str, str]:
    """Campaign key, and ad id or ""."""
    campaign_key, _, ad_id = name.partition("|")
    return campaign_key, ad_id


class Campaign:
    """A campaign as its first event described it. Compared and hashed by identity: one object per campaign."""

    __slots__ = ("account_id", "campaign_id", "currency", "key", "platform", "zone")

    def __init__(self, key: str, *, zone: str, currency: str) -> None:
        self.key, self.zone, self.currency = key, intern(zone), intern(currency)
        platform, account_id, self.campaign_id = key.split(":", 2)
        self.platform, self.account_id = intern(platform), intern(account_id)  # many campaigns share them

    def is_of(self, platform: str, account_id: str, campaign_id: str) -> bool:
        return campaign_id == self.campaign_id and account_id == self.account_id and platform == self.platform
