"""Shared budgets: what to key them by, and their spend as the sum over their campaigns.

The campaigns of one shared budget may live in different partitions, so a judge of one partition cannot sum them:
their day totals have to be filed under `group_key` first. Until then they raise no budget alert.
"""

from collections.abc import Iterable

from schemas.total import Total
from schemas.window import Level, Window


def group_key(total: Total) -> str | None:
    """`platform:account_id:budget:budget_id` of a campaign's day under a shared budget; None for any other total."""
    is_day = total.level is Level.CAMPAIGN and total.window is Window.DAY
    if not (is_day and total.budget_shared and total.budget_id and total.daily_budget_micros):
        return None
    return f"{total.platform}:{total.account_id}:budget:{total.budget_id}"


def spend_by_group(totals: Iterable[Total]) -> dict[tuple[str, str, int], int]:
    """(group key, basis, start_ms) -> spend in micros, of the highest version of each total."""
    newest: dict[str, Total] = {}
    for total in totals:
        known = newest.get(total.total_id)
        if known is None or total.version > known.version:
            newest[total.total_id] = total
    spend: dict[tuple[str, str, int], int] = {}
    for total in newest.values():
        key = group_key(total)
        if key is not None:
            name = (key, str(total.basis), total.start_ms)
            spend[name] = spend.get(name, 0) + total.spend_micros
    return spend
