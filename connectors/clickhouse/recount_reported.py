"""SQL: what the reported totals must be, from the stored report rows alone.

Shares no code with the pipeline. Of every key the newest revision holds: the highest `fetched_at_ms`, then the
highest offset. A revision older than a complete read of its day that came before it is not taken. Letters are no rows.
"""

from collections.abc import Sequence

from connectors.clickhouse.recount_calendar import by_zone, day_start, hour_start, local_instant
from connectors.clickhouse.recount_counted import ACCEPTED

_FIELDS = (
    "Tuple(kind String, report String, account_id String, fetched_at_ms Int64, zone String, since String, until String, "
    "row Tuple(customer Tuple(timeZone String), adGroup Tuple(id String), adGroupAd Tuple(ad Tuple(id String)), "
    "segments Tuple(date String, hour Int64), "
    "metrics Tuple(impressions Int64, clicks Int64, costMicros Int64, videoTrueviewViews Int64)))"
)
_ZONE = "if(e.row.customer.timeZone = '', e.zone, e.row.customer.timeZone)"


def _micros(field: str) -> str:
    """SQL: a number of the JSON text in millionths, exact, half to even."""
    text = f"""extract(value, '"{field}"\\\\s*:\\\\s*"?([-+0-9.eE]+)')"""
    return f"if({text} = '', 0, toInt64(roundBankers(toDecimal256OrZero({text}, 40) * 1000000, 0)))"


SCOPE = f"""
SELECT groupUniqArray(JSONExtractString(value, 'row', 'customer', 'timeZone')) AS rows_zones,
    groupUniqArray(JSONExtractString(value, 'zone')) AS run_zones
FROM ({ACCEPTED})
"""
_READ = f"""
    SELECT *, JSONExtract(value, '{_FIELDS}') AS e
    FROM ({ACCEPTED})
"""
# (partition, account, report, date, offset) -> how new the newest complete read of that date was by then
_COMPLETE = f"""
    SELECT
        partition, account_id, report, date, offset,
        max(fetched_at_ms) OVER
            (PARTITION BY partition, account_id, report, date ORDER BY offset ROWS UNBOUNDED PRECEDING) AS read_ms
    FROM
    (
        SELECT
            partition, offset, e.account_id AS account_id, e.report AS report, e.fetched_at_ms AS fetched_at_ms,
            toString(toDate(arrayJoin(range(
                toUInt32(toDateOrZero(e.since)), toUInt32(toDateOrZero(e.until)) + 1
            )))) AS date
        FROM ({_READ})
        WHERE e.kind = 'report_complete'
        LIMIT 1 BY partition, offset, date
    )
"""


def expected(zones: Sequence[str]) -> str:
    """SQL of (campaign_key, ad_group_id, ad_id, window, start_s, figures, comparable, ingested_at)."""
    hour = by_zone("zone", zones, hour_start("at_s"))
    day = by_zone("zone", zones, day_start("at_s"))
    # A quarter to the next hour, and noon, are shown by every clock on every day.
    clock = "concat(date, if(report = 'campaign_hour', concat(' ', leftPad(toString(hour), 2, '0'), ':45:00'), ' 12:00:00'))"
    return f"""
    SELECT
        campaign_key, ad_group_id, ad_id, window, start_s,
        argMax(figures, (fetched_at_ms, offset)) AS figures,
        1 AS comparable,
        max(ingested_at) AS ingested_at
    FROM
    (
        SELECT *, if(report = 'campaign_hour', {hour}, {day}) AS start_s
        FROM (SELECT *, {by_zone("zone", zones, local_instant(clock))} AS at_s FROM ({_ROWS}))
    )
    GROUP BY campaign_key, ad_group_id, ad_id, window, start_s
    HAVING countIf(kind = 'row') > 0
    """


_ROWS = f"""
    SELECT r.*
    FROM
    (
        SELECT
            partition, offset, ingested_at, key AS campaign_key,
            e.kind AS kind, e.report AS report, e.account_id AS account_id, e.fetched_at_ms AS fetched_at_ms,
            {_ZONE} AS zone,
            if(report = 'ad_day', e.row.adGroup.id, '') AS ad_group_id,
            if(report = 'ad_day', e.row.adGroupAd.ad.id, '') AS ad_id,
            e.row.segments.date AS date,
            e.row.segments.hour AS hour,
            if(report = 'campaign_hour', '1h', '1d') AS window,
            if(
                kind = 'vanished', arrayMap(place -> toInt64(0), range(15)),
                arrayConcat(
                    [
                        e.row.metrics.impressions, e.row.metrics.clicks, toInt64(0), e.row.metrics.costMicros,
                        {_micros("conversions")}, {_micros("conversionsValue")}, e.row.metrics.videoTrueviewViews
                    ],
                    arrayMap(place -> toInt64(0), range(8))
                )
            ) AS figures
        FROM ({_READ})
        WHERE e.kind IN ('row', 'vanished') AND e.report IN ('campaign_day', 'campaign_hour', 'ad_day')
    ) AS r
    ASOF LEFT JOIN ({_COMPLETE}) AS c
        ON r.partition = c.partition AND r.account_id = c.account_id AND r.report = c.report AND r.date = c.date
        AND r.offset > c.offset
    WHERE r.fetched_at_ms >= c.read_ms
"""
