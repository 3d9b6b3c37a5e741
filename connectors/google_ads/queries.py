"""The GAQL of each report. Fields: Google Ads API reference, v26 (2026-10)."""

from datetime import date

from schemas.raw import Report

_WHO = "customer.id, customer.currency_code, customer.time_zone, campaign.id, campaign.name"
_METRICS = (
    "metrics.impressions, metrics.clicks, metrics.cost_micros, metrics.conversions, metrics.conversions_value, "
    "metrics.all_conversions, metrics.all_conversions_value, metrics.view_through_conversions, "
    "metrics.video_trueview_views"
)
ACCOUNTS = (
    "SELECT customer_client.id, customer_client.descriptive_name, customer_client.currency_code, "
    "customer_client.time_zone, customer_client.manager, customer_client.level, customer_client.status "
    "FROM customer_client WHERE customer_client.status = 'ENABLED'"
)
CUSTOMER = "SELECT customer.id, customer.currency_code, customer.time_zone FROM customer"
_FROM: dict[Report, str] = {
    Report.CAMPAIGN_DAY: f"SELECT {_WHO}, campaign.status, segments.date, {_METRICS} FROM campaign",
    # Hours exist for customer, campaign and ad group, not for ads.
    Report.CAMPAIGN_HOUR: f"SELECT {_WHO}, campaign.status, segments.date, segments.hour, {_METRICS} FROM campaign",
    # Performance Max has no ads: this level sums to less than the campaigns, which are read from their own report.
    Report.AD_DAY: (
        f"SELECT {_WHO}, ad_group.id, ad_group.name, ad_group_ad.ad.id, ad_group_ad.ad.name, ad_group_ad.ad.type, "
        f"ad_group_ad.status, segments.date, {_METRICS} FROM ad_group_ad"
    ),
}
ENTITY = (
    f"SELECT {_WHO}, campaign.status, campaign.serving_status, campaign.primary_status, "
    "campaign.advertising_channel_type, campaign.start_date_time, campaign.end_date_time, campaign_budget.id, "
    "campaign_budget.amount_micros, campaign_budget.total_amount_micros, campaign_budget.period, "
    "campaign_budget.delivery_method, campaign_budget.explicitly_shared, campaign_budget.reference_count, "
    "campaign_budget.status FROM campaign"
)


def query(report: Report, since: date, until: date) -> str:
    """GAQL for these local dates, both included."""
    if report is Report.ENTITY:
        return ENTITY
    return f"{_FROM[report]} WHERE segments.date BETWEEN '{since}' AND '{until}'"
