"""The fields the simulated Google Ads API knows, their JSON types, and where each may be selected.

int64 travels as a string, int32 and double as numbers, enums by name; keys are lowerCamelCase.
"""

import re
from collections.abc import Mapping
from typing import Any

INT64, INT32, DOUBLE, TEXT, FLAG, TEXTS = "int64", "int32", "double", "text", "flag", "texts"

_CUSTOMER = {
    "customer.id": INT64,
    "customer.descriptive_name": TEXT,
    "customer.currency_code": TEXT,
    "customer.time_zone": TEXT,
    "customer.manager": FLAG,
    "customer.status": TEXT,
}
_CAMPAIGN = {
    "campaign.id": INT64,
    "campaign.name": TEXT,
    "campaign.status": TEXT,
    "campaign.serving_status": TEXT,
    "campaign.primary_status": TEXT,
    "campaign.primary_status_reasons": TEXTS,
    "campaign.advertising_channel_type": TEXT,
    "campaign.start_date_time": TEXT,
    "campaign.end_date_time": TEXT,
    "campaign.campaign_budget": TEXT,
    "campaign_budget.id": INT64,
    "campaign_budget.name": TEXT,
    "campaign_budget.amount_micros": INT64,
    "campaign_budget.total_amount_micros": INT64,
    "campaign_budget.period": TEXT,
    "campaign_budget.delivery_method": TEXT,
    "campaign_budget.explicitly_shared": FLAG,
    "campaign_budget.reference_count": INT64,
    "campaign_budget.status": TEXT,
}
_AD = {
    "ad_group.id": INT64,
    "ad_group.name": TEXT,
    "ad_group.status": TEXT,
    "ad_group_ad.status": TEXT,
    "ad_group_ad.ad.id": INT64,
    "ad_group_ad.ad.name": TEXT,
    "ad_group_ad.ad.type": TEXT,
}
_CLIENT = {
    "customer_client.id": INT64,
    "customer_client.descriptive_name": TEXT,
    "customer_client.currency_code": TEXT,
    "customer_client.time_zone": TEXT,
    "customer_client.manager": FLAG,
    "customer_client.level": INT64,
    "customer_client.status": TEXT,
}
METRICS: dict[str, str] = {
    "metrics.impressions": INT64,
    "metrics.clicks": INT64,
    "metrics.interactions": INT64,
    "metrics.cost_micros": INT64,
    "metrics.conversions": DOUBLE,
    "metrics.conversions_value": DOUBLE,
    "metrics.all_conversions": DOUBLE,
    "metrics.all_conversions_value": DOUBLE,
    "metrics.view_through_conversions": INT64,
    "metrics.video_trueview_views": INT64,
}
DATE, HOUR = "segments.date", "segments.hour"
_SEGMENTS = {DATE: TEXT, HOUR: INT32}

FIELDS: dict[str, Mapping[str, str]] = {
    "customer": {**_CUSTOMER, **_SEGMENTS, **METRICS},
    "campaign": {**_CUSTOMER, **_CAMPAIGN, **_SEGMENTS, **METRICS},
    # There is no hourly report of ads.
    "ad_group_ad": {**_CUSTOMER, **_CAMPAIGN, **_AD, DATE: TEXT, **METRICS},
    "customer_client": {**_CUSTOMER, **_CLIENT},
}
ALL_FIELDS: frozenset[str] = frozenset(field for known in FIELDS.values() for field in known)


def camel(name: str) -> str:
    """`cost_micros` -> `costMicros`."""
    return re.sub(r"_(\w)", lambda match: match.group(1).upper(), name)


def field_mask(fields: tuple[str, ...]) -> str:
    return ",".join(".".join(camel(part) for part in field.split(".")) for field in fields)


def as_json(kind: str, value: Any) -> Any:
    """A value in the type the API's JSON gives it."""
    return str(value) if kind == INT64 else value


def nested(resource: str, selected: tuple[str, ...], values: Mapping[str, Any]) -> dict[str, Any]:
    """One row of the answer. `values` is flat, by GAQL name; None is left out; resource names come along unasked."""
    kinds = FIELDS[resource]
    row: dict[str, Any] = {}
    for field in (*_resource_names(selected, resource, values), *selected):
        value = values.get(field)
        if value is None:
            continue
        *path, leaf = (camel(part) for part in field.split("."))
        place = row
        for part in path:
            place = place.setdefault(part, {})
        place[leaf] = as_json(kinds.get(field, TEXT), value)
    return row


def _resource_names(selected: tuple[str, ...], resource: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    prefixes = {resource, *(field.rpartition(".")[0] for field in selected)}
    names = (f"{prefix}.resource_name" for prefix in sorted(prefixes))
    return tuple(name for name in names if name in values)
