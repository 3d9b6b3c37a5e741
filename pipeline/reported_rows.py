"""The shape of a reported row, in memory and in the changelog."""

from collections.abc import Callable
from sys import intern  # rows of one campaign share their names
from typing import Any

from schemas.measures import ZERO

DAY_MS = 86_400_000
# The longest conversion window of a platform is 90 days; a week more, so that the read which settles a day is in.
HORIZON_MS = 97 * DAY_MS

# row = [order, fetched_at_ms, revision, flags, end_ms, zone, currency, campaign name, daily budget, budget id,
#        budget shared, measures, its key, frame, seen, same_until_ms, named]
# The changelog has the measures one by one and nothing behind them: the last four are of `reported_frames`.
ORDER, FETCHED_AT, REVISION, FLAGS, END, ZONE, CURRENCY, NAME, BUDGET, BUDGET_ID, BUDGET_SHARED, FIGURES = range(12)
KEY, FRAME, SEEN, SAME_UNTIL, NAMED = range(FIGURES + 1, FIGURES + 6)
FINAL, SETTLED = 1, 2

CAMPAIGN_PREFIX, READ_PREFIX, EXPIRED = b"\x00campaign|", b"\x00read|", b"\x00expired"

RowKey = tuple[str, str, str, str, int]  # campaign key, ad group id, ad id, window, start_ms
ProjectOf = Callable[[str, str], str]  # (platform, account id) -> project id


def new_row(key: RowKey, end_ms: int, fetched_at_ms: int) -> list[Any]:
    return [0, fetched_at_ms, -1, 0, end_ms, "", "", "", None, None, False, ZERO, key, None, 0, 0, False]


def kept(row: list[Any]) -> list[Any]:
    """As the changelog has it."""
    return [*row[:FIGURES], *row[FIGURES]]


def restored(key: RowKey, row: list[Any]) -> list[Any]:
    """The other way; the row is made over in place."""
    row[ZONE : NAME + 1] = map(intern, row[ZONE : NAME + 1])
    row[FIGURES:] = tuple(row[FIGURES:]), key, None, 0, 0, False
    return row


def row_key(key: RowKey) -> bytes:
    campaign, ad_group_id, ad_id, window, start_ms = key
    return f"{campaign}|{ad_group_id}|{ad_id}|{window}|{start_ms // 1000}".encode()


def read_key(key: bytes) -> RowKey:
    campaign, ad_group_id, ad_id, window, start_s = key.decode().split("|")
    return intern(campaign), intern(ad_group_id), intern(ad_id), intern(window), int(start_s) * 1000
