"""Figures out of a truth file: what a reader of the API must hold by now, and what it will hold in the end.

For tests and `pulse verify` only, like the file itself.
"""

from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from connectors.simulator.calendar import DAY_MS, days_between, local_date
from connectors.simulator.figures import Figures
from connectors.simulator.gaql import parse
from connectors.simulator.google_ads_query import answer, date_range
from connectors.simulator.market import Market
from connectors.simulator.truth import changes_of, entries, settings_of

_MICROS = 1_000_000
_ALL_SETTLED_MS = 10 * 365 * DAY_MS


class RowKey(NamedTuple):
    """Identity of a report row. Absent parts are ""; `hour` is -1 in a daily report."""

    account_id: str
    campaign_id: str
    ad_group_id: str
    ad_id: str
    day: str
    hour: int


def market_of(path: Path) -> Market:
    """The market behind a truth file, with every ordered change."""
    settings = settings_of(path)
    if settings is None:
        raise FileNotFoundError(path)
    market = Market(settings)
    for change in changes_of(path):
        market.restate(change)
    return market


def served_figures(path: Path, report: str) -> dict[RowKey, Figures]:
    """The last figures served of every row of a report: what a reader that missed nothing holds.

    `report`: campaign_day, campaign_hour or ad_day. A row that was served once and is absent from the newest complete
    read of its day is not in the result: it stands for zero. An answer that went out but never arrived counts as
    served; so ask after the reader has finished a run.
    """
    market = market_of(path)
    figures: dict[RowKey, Figures] = {}
    decided: set[tuple[str, date]] = set()  # (account, day) whose newest complete read has been seen
    pages = [entry for entry in entries(path) if entry["kind"] == "served" and entry["report"] == report]
    complete = {(e["account_id"], e["query"], e["as_of_ms"]) for e in pages if e["last"]}
    for entry in reversed(pages):
        account = market.accounts[entry["account_id"]]
        query = parse(entry["query"])
        days = _days(date_range(query, account, entry["as_of_ms"]), account.zone, entry["as_of_ms"])
        if all((account.account_id, day) in decided for day in days):
            continue
        whole = (entry["account_id"], entry["query"], entry["as_of_ms"]) in complete
        rows = answer(market, account, query, entry["as_of_ms"])
        if not whole:
            rows = rows[entry["offset"] : entry["offset"] + entry["rows"]]
        for row in rows:
            key, values = _read(row)
            if (key.account_id, date.fromisoformat(key.day)) not in decided:
                figures.setdefault(key, values)
        if whole:
            decided.update((account.account_id, day) for day in days)
    return figures


def final_figures(path: Path) -> dict[RowKey, Figures]:
    """Campaign days that were ever asked for, once every conversion is in and every restatement made. No zero rows."""
    market = market_of(path)
    settled_ms = market.settings.anchor_ms + _ALL_SETTLED_MS
    asked: set[tuple[str, date]] = set()
    for entry in entries(path):
        if entry["kind"] == "served" and entry["report"] == "campaign_day":
            account = market.accounts[entry["account_id"]]
            found = date_range(parse(entry["query"]), account, entry["as_of_ms"])
            asked.update((account.account_id, day) for day in _days(found, account.zone, entry["as_of_ms"]))
    final = {}
    for account_id, day in asked:
        for campaign in market.campaigns_of(account_id):
            figures = market.day(campaign, day, settled_ms)
            if any(figures):
                final[RowKey(account_id, campaign.campaign_id, "", "", day.isoformat(), -1)] = figures
    return final


def _days(found: tuple[date, date] | None, zone: str, as_of_ms: int) -> list[date]:
    if found is None:
        return []
    return days_between(found[0], min(found[1], local_date(zone, as_of_ms)))


def _read(row: dict[str, Any]) -> tuple[RowKey, Figures]:
    metrics = row["metrics"]
    key = RowKey(
        row["customer"]["id"],
        row["campaign"]["id"],
        row.get("adGroup", {}).get("id", ""),
        row.get("adGroupAd", {}).get("ad", {}).get("id", ""),
        row["segments"]["date"],
        row["segments"].get("hour", -1),
    )
    return key, Figures(
        impressions=int(metrics.get("impressions", 0)),
        clicks=int(metrics.get("clicks", 0)),
        cost_micros=int(metrics.get("costMicros", 0)),
        conversions_micros=round(metrics.get("conversions", 0.0) * _MICROS),
        value_micros=round(metrics.get("conversionsValue", 0.0) * _MICROS),
        view_through=int(metrics.get("viewThroughConversions", 0)),
        video_views=int(metrics.get("videoTrueviewViews", 0)),
    )
