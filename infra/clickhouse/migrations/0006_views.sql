-- Views for people. Amounts are Decimal in the currency beside them; rates come from sums, and a zero denominator is null.
-- `basis` is a column everywhere: reported and counted figures are two views of one campaign and are never added up.

CREATE OR REPLACE VIEW insights AS
SELECT
    t.day AS day,
    t.start AS start,
    t.end AS end,
    t.window AS window,
    t.zone AS zone,
    t.basis AS basis,
    c.project_id AS project_id,
    t.platform AS platform,
    t.account_id AS account_id,
    t.campaign_id AS campaign_id,
    t.campaign_key AS campaign_key,
    multiIf(c.name != '', c.name, t.campaign_name != '', toString(t.campaign_name), t.campaign_id) AS campaign_name,
    if(c.status != '', c.status, t.campaign_status) AS campaign_status,
    t.currency AS currency,
    t.impressions AS impressions,
    t.clicks AS clicks,
    t.link_clicks AS link_clicks,
    toDecimal128(t.spend_micros, 6) / 1000000 AS spend,
    toDecimal128(t.conversions_micros, 6) / 1000000 AS conversions,
    toDecimal128(t.revenue_micros, 6) / 1000000 AS revenue,
    t.video_views AS video_views,
    t.sent AS sent,
    t.delivered AS delivered,
    t.opened AS opened,
    t.clicked AS clicked,
    t.bounced AS bounced,
    t.complained AS complained,
    t.unsubscribed AS unsubscribed,
    t.failed AS failed,
    t.spend_micros AS spend_micros,
    t.conversions_micros AS conversions_micros,
    t.revenue_micros AS revenue_micros,
    100 * t.clicks / nullIf(t.impressions, 0) AS ctr,
    t.spend_micros / nullIf(t.clicks, 0) / 1000000 AS cpc,
    t.spend_micros / nullIf(t.impressions, 0) / 1000 AS cpm,
    t.spend_micros / nullIf(t.conversions_micros, 0) AS cpa,
    t.conversions_micros / nullIf(t.clicks, 0) / 10000 AS cvr,
    t.revenue_micros / nullIf(t.spend_micros, 0) AS roas,
    100 * (t.revenue_micros - t.spend_micros) / nullIf(t.spend_micros, 0) AS roi,
    coalesce(t.daily_budget_micros, c.daily_budget_micros) AS daily_budget_micros,
    coalesce(t.budget_id, c.budget_id) AS budget_id,
    t.as_of AS as_of,
    t.revision AS revision,
    t.is_final AS is_final,
    t.settled AS settled,
    t.version AS version
FROM totals AS t FINAL
LEFT JOIN campaigns AS c FINAL
    ON t.platform = c.platform AND t.account_id = c.account_id AND t.campaign_id = c.campaign_id;

CREATE OR REPLACE VIEW creative_insights AS
SELECT
    t.day AS day,
    t.start AS start,
    t.end AS end,
    t.window AS window,
    t.zone AS zone,
    t.basis AS basis,
    c.project_id AS project_id,
    t.platform AS platform,
    t.account_id AS account_id,
    t.campaign_id AS campaign_id,
    t.ad_group_id AS ad_group_id,
    t.ad_id AS ad_id,
    t.campaign_key AS campaign_key,
    multiIf(c.name != '', c.name, t.campaign_name != '', toString(t.campaign_name), t.campaign_id) AS campaign_name,
    t.currency AS currency,
    t.impressions AS impressions,
    t.clicks AS clicks,
    t.link_clicks AS link_clicks,
    toDecimal128(t.spend_micros, 6) / 1000000 AS spend,
    toDecimal128(t.conversions_micros, 6) / 1000000 AS conversions,
    toDecimal128(t.revenue_micros, 6) / 1000000 AS revenue,
    t.video_views AS video_views,
    t.spend_micros AS spend_micros,
    t.conversions_micros AS conversions_micros,
    t.revenue_micros AS revenue_micros,
    100 * t.clicks / nullIf(t.impressions, 0) AS ctr,
    t.spend_micros / nullIf(t.clicks, 0) / 1000000 AS cpc,
    t.spend_micros / nullIf(t.impressions, 0) / 1000 AS cpm,
    t.spend_micros / nullIf(t.conversions_micros, 0) AS cpa,
    t.conversions_micros / nullIf(t.clicks, 0) / 10000 AS cvr,
    t.revenue_micros / nullIf(t.spend_micros, 0) AS roas,
    t.as_of AS as_of,
    t.is_final AS is_final,
    t.settled AS settled,
    t.version AS version
FROM creative_totals AS t FINAL
LEFT JOIN campaigns AS c FINAL
    ON t.platform = c.platform AND t.account_id = c.account_id AND t.campaign_id = c.campaign_id;

-- One row per campaign and day, with the day before beside it (null when that day has no figures).
CREATE OR REPLACE VIEW daily_report AS
SELECT
    day, basis, project_id, platform, account_id, campaign_id, campaign_name, campaign_status, currency,
    impressions, clicks, spend, conversions, revenue, ctr, cpc, cpm, cpa, cvr, roas,
    if(before_day = day - 1, before_spend, NULL) AS spend_before,
    100 * (toFloat64(spend) - toFloat64(spend_before)) / nullIf(toFloat64(spend_before), 0) AS spend_change,
    if(before_day = day - 1, before_roas, NULL) AS roas_before,
    toDecimal128(daily_budget_micros, 6) / 1000000 AS daily_budget,
    100 * spend_micros / nullIf(daily_budget_micros, 0) AS budget_share,
    as_of, is_final, settled
FROM
(
    SELECT
        *,
        lagInFrame(toNullable(day), 1, NULL) OVER earlier AS before_day,
        lagInFrame(toNullable(spend), 1, NULL) OVER earlier AS before_spend,
        lagInFrame(roas, 1, NULL) OVER earlier AS before_roas
    FROM insights
    WHERE window = '1d'
    WINDOW earlier AS
    (
        PARTITION BY basis, campaign_key ORDER BY day ASC ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    )
);

-- One row per ad and day; ranks within the day, among ads of one basis and currency.
CREATE OR REPLACE VIEW top_creatives AS
SELECT
    day, basis, project_id, platform, account_id, campaign_id, campaign_name, ad_group_id, ad_id, currency,
    impressions, clicks, spend, conversions, revenue, ctr, cpc, cpm, cpa, cvr, roas, as_of, is_final, settled,
    rank() OVER (PARTITION BY basis, currency, day ORDER BY spend_micros DESC) AS spend_rank,
    rank() OVER (PARTITION BY basis, currency, day ORDER BY ctr DESC NULLS LAST) AS ctr_rank,
    rank() OVER (PARTITION BY basis, currency, day ORDER BY roas DESC NULLS LAST) AS roas_rank
FROM creative_insights
WHERE window = '1d';

-- Spend against the daily budget, as far as the figures go (`as_of`). Expected: an even spend over the budget day.
CREATE OR REPLACE VIEW pacing AS
SELECT
    day, start, end, zone, basis, project_id, platform, account_id, campaign_id, campaign_name, currency, spend,
    toDecimal128(assumeNotNull(daily_budget_micros), 6) / 1000000 AS daily_budget,
    budget_id,
    toDecimal128(if(budget_id IS NULL, spend_micros, budget_spend_micros), 6) / 1000000 AS budget_spend,
    100 * budget_spend / nullIf(daily_budget, 0) AS budget_share,
    100 * elapsed AS elapsed_share,
    toFloat64(daily_budget) * elapsed AS expected_spend,
    100 * toFloat64(budget_spend) / nullIf(expected_spend, 0) AS pace,
    toFloat64(budget_spend) / nullIf(elapsed, 0) AS projected_spend,
    as_of, is_final, settled
FROM
(
    SELECT
        *,
        greatest(0, least(1, dateDiff('millisecond', start, as_of) / dateDiff('millisecond', start, end))) AS elapsed,
        sum(spend_micros) OVER (PARTITION BY basis, platform, account_id, budget_id, day) AS budget_spend_micros
    FROM insights
    WHERE window = '1d' AND daily_budget_micros IS NOT NULL
);

CREATE OR REPLACE VIEW open_alerts AS
SELECT
    at, severity, kind, alert_type, rule_id, message, project_id, platform, account_id, campaign_id, campaign_name,
    basis, window, window_start, metric, threshold, current_value, expected, score, currency,
    toDecimal128(spend_at_risk_micros, 6) / 1000000 AS spend_at_risk,
    transition, as_of, settled, alert_id, version, link
FROM alerts FINAL
WHERE transition IN ('firing', 'amended');

-- ROAS of sums, by day: per platform and project, and 'all' over them. Currencies are not mixed.
CREATE OR REPLACE VIEW blended_roas AS
SELECT
    day, basis, currency,
    if(grouping(project_id) = 0, toString(project_id), 'all') AS project,
    if(grouping(platform) = 0, toString(platform), 'all') AS platforms,
    sum(impressions) AS impressions,
    sum(clicks) AS clicks,
    sum(spend) AS spend,
    sum(conversions) AS conversions,
    sum(revenue) AS revenue,
    sum(revenue_micros) / nullIf(sum(spend_micros), 0) AS roas,
    sum(spend_micros) / nullIf(sum(conversions_micros), 0) AS cpa,
    max(as_of) AS as_of,
    min(settled) AS settled
FROM insights
WHERE window = '1d'
GROUP BY GROUPING SETS
(
    (day, basis, currency, project_id, platform),
    (day, basis, currency, project_id),
    (day, basis, currency, platform),
    (day, basis, currency)
);

-- The columns analysts know. Campaign rows have no ad; pick one `level`, for ads do not add up to their campaign.
CREATE OR REPLACE VIEW ad_reporting AS
SELECT
    day AS date_day, platform, account_id, campaign_id, '' AS ad_group_id, '' AS ad_id,
    clicks, impressions, spend, conversions, revenue AS conversions_value, currency, basis, 'campaign' AS level
FROM insights
WHERE window = '1d'
UNION ALL
SELECT
    day AS date_day, platform, account_id, campaign_id, ad_group_id, ad_id,
    clicks, impressions, spend, conversions, revenue AS conversions_value, currency, basis, 'ad' AS level
FROM creative_insights
WHERE window = '1d';

-- SELECT * FROM totals_as_known_at(t = '2026-11-20 12:00:00'): every total as it stood at that instant (UTC).
CREATE OR REPLACE VIEW totals_as_known_at AS
SELECT *
FROM totals_history
WHERE as_of <= {t:DateTime64(3, 'UTC')}
ORDER BY version DESC
LIMIT 1 BY basis, window, platform, account_id, campaign_id, ad_group_id, ad_id, start;
