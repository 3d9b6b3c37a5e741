"""Answering a GAQL query from the market: checks fields as the API does, then selects, filters and orders rows."""

import operator
import re
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

from connectors.simulator.account import Account
from connectors.simulator.calendar import days_between, local_date
from connectors.simulator.gaql import Condition, Query
from connectors.simulator.google_ads_fields import ALL_FIELDS, DATE, FIELDS, HOUR, METRICS, nested
from connectors.simulator.google_ads_refusal import Refusal, query_error
from connectors.simulator.google_ads_rows import Span, Values, ad_rows, campaign_rows, client_rows, customer_rows
from connectors.simulator.market import Market

_HISTORY_DAYS = 37 * 31  # day and hour segments reach back 37 months
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MEMBERSHIP = {"=": True, "IN": True, "!=": False, "NOT IN": False}
_ORDERING: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_DURING = {
    "TODAY": (0, 0),
    "YESTERDAY": (1, 1),
    "LAST_7_DAYS": (7, 1),
    "LAST_14_DAYS": (14, 1),
    "LAST_30_DAYS": (30, 1),
}


def check(query: Query, account: Account) -> None:
    """Raises Refusal (queryError) for what the API would not run."""
    known = FIELDS.get(query.resource)
    if known is None:
        raise query_error("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", f"Error in FROM clause: {query.resource} is not known.")
    named = (*query.fields, *(c.field for c in query.conditions), *(field for field, _ in query.order_by))
    for field in named:
        if field in known:
            continue
        if field == HOUR and query.resource == "ad_group_ad":
            raise query_error(
                "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE",
                "Cannot select or filter on the following segments: 'segments.hour', since the segment is "
                "incompatible with the resource in the FROM clause.",
            )
        if field in ALL_FIELDS:
            raise query_error("PROHIBITED_FIELD_IN_SELECT_CLAUSE", f"Error in query: {field} cannot be selected here.")
        raise query_error("UNRECOGNIZED_FIELD", f"Error in query: unrecognized field {field}.")
    for condition in query.conditions:
        if condition.field != DATE and condition.field not in query.fields:
            raise query_error(
                "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE",
                f"Error in WHERE clause: {condition.field} must be present in SELECT clause.",
            )
    measured = any(field in METRICS for field in query.fields)
    if account.manager and measured:
        raise query_error(
            "REQUESTED_METRICS_FOR_MANAGER",
            "Metrics cannot be requested for a manager account. To retrieve metrics, issue separate requests against "
            "each client account under the manager account.",
        )
    if (measured or DATE in query.fields or HOUR in query.fields) and date_range(query, account, 0) is None:
        raise query_error("EXPECTED_FILTERS_ON_DATE_RANGE", "Error in WHERE clause: a finite date range is required.")


def answer(market: Market, account: Account, query: Query, as_of_ms: int) -> list[dict[str, Any]]:
    """Every row of a checked query as known at the instant, in a stable order, as the API's JSON."""
    rows = [row for row in _candidates(market, account, query, as_of_ms) if _kept(row, query)]
    for field, descending in reversed(query.order_by):
        rows.sort(key=lambda row: _sortable(row.get(field)), reverse=descending)
    return [nested(query.resource, query.fields, row) for row in rows[: query.limit]]


def date_range(query: Query, account: Account, as_of_ms: int) -> tuple[date, date] | None:
    """First and last local day the query names, both included; None when the range is open or absent."""
    since: date | None = None
    until: date | None = None
    for condition in query.conditions:
        if condition.field != DATE:
            continue
        low, high = _bounds(condition, local_date(account.zone, as_of_ms))
        since = low if since is None or (low is not None and low > since) else since
        until = high if until is None or (high is not None and high < until) else until
    return None if since is None or until is None else (since, until)


def _bounds(condition: Condition, today: date) -> tuple[date | None, date | None]:
    if condition.operator == "DURING":
        back = _DURING.get(condition.values[0].upper())
        if back is None:
            raise query_error(
                "INVALID_VALUE_WITH_DURING_OPERATOR", f"Error in query: {condition.values[0]} is not known."
            )
        return today - timedelta(days=back[0]), today - timedelta(days=back[1])
    first, last = (days := [_day(value) for value in condition.values])[0], days[-1]
    one_day = timedelta(days=1)
    bounds: dict[str, tuple[date | None, date | None]] = {
        "BETWEEN": (first, last),
        "=": (first, first),
        ">=": (first, None),
        ">": (first + one_day, None),
        "<=": (None, first),
        "<": (None, first - one_day),
    }
    if condition.operator not in bounds:
        raise query_error(
            "OPERATOR_FIELD_MISMATCH", f"Error in query: {condition.operator} does not go with segments.date."
        )
    return bounds[condition.operator]


def _day(text: str) -> date:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise query_error("INVALID_DATE_FORMAT", f"Error in WHERE clause: {text} is not a date as yyyy-mm-dd.")


def _candidates(market: Market, account: Account, query: Query, as_of_ms: int) -> Iterable[Values]:
    if query.resource == "customer_client":
        return client_rows(account) if account.manager else ()
    found = date_range(query, account, as_of_ms)
    days: tuple[date, ...] = ()
    if found is not None:
        today = local_date(account.zone, as_of_ms)
        if found[0] < today - timedelta(days=_HISTORY_DAYS):
            raise Refusal(
                400,
                "The requested date granularity is not available for this date range.",
                family="dateRangeError",
                code="REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED",
            )
        days = tuple(days_between(found[0], min(found[1], today)))
    span = Span(days, by_day=DATE in query.fields, by_hour=HOUR in query.fields)
    source = {"customer": customer_rows, "campaign": campaign_rows, "ad_group_ad": ad_rows}[query.resource]
    return source(market, account, span, as_of_ms)


def _kept(row: Values, query: Query) -> bool:
    """Segmented rows whose selected metrics are all zero do not exist for the API."""
    metrics = [field for field in query.fields if field in METRICS]
    segmented = DATE in query.fields or HOUR in query.fields
    if segmented and metrics and not any(row[field] for field in metrics):
        return False
    return all(_holds(row.get(c.field), c) for c in query.conditions if c.field != DATE)


def _holds(value: Any, condition: Condition) -> bool:
    texts = [text.upper() if isinstance(value, bool) else text for text in condition.values]
    mine = str(value).upper() if isinstance(value, bool) else str(value)
    if condition.operator in _MEMBERSHIP:
        return (mine in texts) is _MEMBERSHIP[condition.operator]
    if condition.operator not in _ORDERING and condition.operator != "BETWEEN":
        raise query_error("BAD_OPERATOR", f"Error in query: {condition.operator} does not go with {condition.field}.")
    try:
        number, limits = float(mine), [float(text) for text in texts]
    except ValueError:
        raise query_error("OPERATOR_FIELD_MISMATCH", f"Error in query: {condition.field} has no order.") from None
    if condition.operator == "BETWEEN":
        return limits[0] <= number <= limits[1]
    return _ORDERING[condition.operator](number, limits[0])


def _sortable(value: Any) -> tuple[int, float, str]:
    if isinstance(value, int | float):
        return (0, float(value), "")
    return (1, 0.0, str(value))
