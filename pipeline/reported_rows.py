"""The shape of a reported row, in memory and in the changelog."""

from collections.abc import Callable

from schemas.measures import MEASURES

DAY_MS = 86_400_000
# The longest conversion window of a platform is 90 days; a week more, so that the read which settles a day is in.
HORIZON_MS = 97 * DAY_MS

# row = [order, fetched_at_ms, revision, flags, end_ms, zone, currency, campaign name, daily budget, budget id,
#        budget shared, *measures]
ORDER, FETCHED_AT, REVISION, FLAGS, END, ZONE, CURRENCY, NAME, BUDGET, BUDGET_ID, BUDGET_SHARED, MEASURES_AT = range(12)
WIDTH = MEASURES_AT + len(MEASURES)
FINAL, SETTLED = 1, 2

CAMPAIGN_PREFIX, READ_PREFIX, EXPIRED = b"\x00campaign|", b"\x00read|", b"\x00expired"

RowKey = tuple[str, str, str, str, int]  # campaign key, ad group id, ad id, window, start_ms
ProjectOf = Callable[[str, str], str]  # (platform, account id) -> project id


def row_key(key: RowKey) -> bytes:
    return f"{key[0]}|{key[1]}|{key[2]}|{key[3]}|{key[4] // 1000}".encode()


def read_key(key: bytes) -> RowKey:
    campaign, ad_group_id, ad_id, window, start_s = key.decode().split("|")
    return campaign, ad_group_id, ad_id, window, int(start_s) * 1000
