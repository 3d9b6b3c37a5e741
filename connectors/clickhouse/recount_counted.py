"""SQL: what the counted totals must be, from the stored events alone.

Shares no code with the pipeline. An event counts once per campaign and id, by its first offset; a repeat counts
again when the id was last seen more than the horizon before, to the hour of record time. Letters are no events.
"""

from collections.abc import Sequence

from connectors.clickhouse.recount_calendar import by_zone, day_start, hour_start

# Type of an event -> its place among the measures, as `schemas.measures` orders them: [2] spend, [3] conversions,
# [4] revenue come from fields of their own.
_COUNTS = (
    "impression", "click", "link_click", "", "", "", "video_view",
    "sent", "delivered", "opened", "clicked", "bounced", "complained", "unsubscribed", "failed",
)  # fmt: skip
_FIELDS = (
    "Tuple(event_id String, ad_id Nullable(String), at String, type String, count Nullable(Int64), "
    "spend_micros Nullable(Int64), revenue_micros Nullable(Int64), conversions_micros Nullable(Int64), "
    "zone Nullable(String))"
)
# A window that is given up takes no more events. Where one came so late that this may have happened, nothing is said.
_HORIZON_MS = "transform(window, ['1m', '5m', '1h', '1d'], [172740000, 172740000, 3023940000, 34559940000], 0)"

ACCEPTED = """
    SELECT partition, offset, key, toUnixTimestamp64Milli(timestamp) AS received_ms, ingested_at, value
    FROM raw_records
    WHERE topic = {topic:String}
        AND (partition, offset) NOT IN
            (SELECT partition, offset FROM dead_letters WHERE topic = {topic:String} AND stage != 'sink')
"""
SCOPE = f"""
SELECT
    groupUniqArray(JSONExtractString(value, 'zone')) AS zones,
    intDiv(max(received_ms), 3600000) - intDiv(min(received_ms), 3600000) AS span_h
FROM ({ACCEPTED})
"""


def _measures() -> str:
    """SQL: the measures of one event, an array in the order of `schemas.measures`."""
    named = [f"if(type = '{name}', n, 0)" for name in _COUNTS]
    named[3] = "ifNull(e.spend_micros, 0)"
    named[4] = "ifNull(e.conversions_micros, if(type = 'conversion', n * 1000000, 0))"
    named[5] = "ifNull(e.revenue_micros, 0)"
    return "[" + ", ".join(f"toInt64({sql})" for sql in named) + "]"


def expected(zones: Sequence[str], *, repeats: bool, horizon_h: int) -> str:
    """SQL of (campaign_key, ad_group_id, ad_id, window, start_s, figures, comparable, ingested_at).

    `zones`: every zone that events name. `repeats`: some events are further apart than the horizon.
    """
    counted = _FIRST + (_AGAIN.format(horizon_h=horizon_h) if repeats else "")
    hour, day = (by_zone("zone", zones, start("minute_s")) for start in (hour_start, day_start))
    return f"""
    SELECT
        key AS campaign_key, '' AS ad_group_id, ad, slot.1 AS window, slot.2 AS start_s,
        sumForEach(figures) AS figures,
        max(last_ms) < intDiv(start_s, 86400) * 86400000 + {_HORIZON_MS} AS comparable,
        max(stored_at) AS ingested_at
    FROM
    (
        SELECT
            *,
            if(named = '', 'UTC', named) AS zone,
            {hour} AS hour_s,
            {day} AS day_s
        FROM
        (
            SELECT
                *, argMin(zone_name, zone_offset) OVER (PARTITION BY key) AS named
            FROM
            (
                SELECT
                    key, ad_id,
                    intDiv(at_ms, 60000) * 60 AS minute_s,
                    sumForEach(figures) AS figures,
                    max(received_ms) AS last_ms,
                    max(stored_at) AS stored_at,
                    argMinIf(event_zone, offset, event_zone != '') AS zone_name,
                    if(countIf(event_zone != '') = 0, 18446744073709551615, minIf(offset, event_zone != ''))
                        AS zone_offset
                FROM ({counted})
                GROUP BY key, ad_id, minute_s
            )
        )
    )
    ARRAY JOIN
        arrayConcat(
            [
                ('', '1m', toInt64(minute_s)), ('', '5m', toInt64(intDiv(minute_s, 300) * 300)),
                ('', '1h', hour_s), ('', '1d', day_s)
            ],
            if(ad_id = '', [], [(ad_id, '1h', hour_s), (ad_id, '1d', day_s)])
        ) AS place
    GROUP BY key, place.1 AS ad, (place.2, place.3) AS slot
    """


_READ = f"""
        SELECT
            key, partition, offset, received_ms, ingested_at,
            JSONExtract(value, '{_FIELDS}') AS e
        FROM ({ACCEPTED})
"""
_EVENT = f"""
    ifNull(e.ad_id, '') AS ad_id,
    if(
        match(e.at, '^-?[0-9]+$'), toInt64OrZero(e.at),
        toUnixTimestamp64Milli(parseDateTime64BestEffortOrZero(upper(e.at), 3, 'UTC'))
    ) AS at_ms,
    e.type AS type,
    ifNull(e.count, 1) AS n,
    {_measures()} AS figures,
    ifNull(e.zone, '') AS event_zone
"""
_FIRST = f"""
    SELECT key, offset, received_ms, stored_at, {_EVENT}
    FROM
    (
        SELECT
            key,
            argMin(r.e, r.offset) AS e,
            min(r.offset) AS offset,
            argMin(r.received_ms, r.offset) AS received_ms,
            max(r.ingested_at) AS stored_at
        FROM ({_READ}) AS r
        GROUP BY key, r.e.event_id
    )
"""
_AGAIN = f"""
    UNION ALL
    SELECT key, offset, received_ms, ingested_at AS stored_at, {_EVENT}
    FROM
    (
        SELECT
            *,
            intDiv(received_ms, 3600000) AS hour,
            lagInFrame(toNullable(intDiv(received_ms, 3600000)), 1, NULL) OVER
                (PARTITION BY key, e.event_id ORDER BY offset ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
                AS hour_before
        FROM (SELECT * FROM ({_READ}) LIMIT 1 BY partition, offset)
        WHERE (key, e.event_id) IN
        (
            SELECT r.key, r.e.event_id
            FROM ({_READ}) AS r
            GROUP BY r.key, r.e.event_id
            HAVING intDiv(max(r.received_ms), 3600000) - intDiv(min(r.received_ms), 3600000) > {{horizon_h}}
        )
    )
    WHERE hour - hour_before > {{horizon_h}}
"""
