-- What the counted totals must be, from the stored events alone. Shares nothing with the pipeline.
-- $hour_start, $day_start: the account's hour and day of `minute_s` in `zone` (see recount_calendar.py).
WITH
-- Events as stored, without those that were refused. A record that is stored twice is the same record.
accepted AS
(
    SELECT
        offset, key, ingested_at,
        toUnixTimestamp64Milli(timestamp) AS received_ms,
        JSONExtract(
            value,
            'Tuple(event_id String, ad_id Nullable(String), at String, type String, count Nullable(Int64),
                   spend_micros Nullable(Int64), revenue_micros Nullable(Int64), conversions_micros Nullable(Int64),
                   zone Nullable(String))'
        ) AS e
    FROM raw_records
    WHERE topic = {topic:String}
        AND (partition, offset) NOT IN
            (SELECT partition, offset FROM dead_letters FINAL WHERE topic = {topic:String} AND stage != 'sink' AND code != 'cleared')
),
-- An event counts once per campaign and id, by its first offset ...
once AS
(
    SELECT
        key, argMin(a.e, a.offset) AS e, min(a.offset) AS offset,
        argMin(a.received_ms, a.offset) AS received_ms
    FROM accepted AS a
    GROUP BY key, a.e.event_id
),
-- ... and again when its id was last seen more than the horizon before, to the hour of record time.
again AS
(
    SELECT key, e, offset, received_ms
    FROM
    (
        SELECT
            *,
            intDiv(received_ms, 3600000) AS hour,
            lagInFrame(toNullable(intDiv(received_ms, 3600000)), 1, NULL) OVER
            (
                PARTITION BY key, e.event_id ORDER BY offset ASC
                ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
            ) AS hour_before
        FROM (SELECT * FROM accepted WHERE {repeats:UInt8} LIMIT 1 BY key, offset)
        WHERE (key, e.event_id) IN
        (
            SELECT key, a.e.event_id AS id
            FROM accepted AS a
            WHERE {repeats:UInt8}
            GROUP BY key, id
            HAVING intDiv(max(received_ms), 3600000) - intDiv(min(received_ms), 3600000) > {horizon_h:Int64}
        )
    )
    WHERE hour - hour_before > {horizon_h:Int64}
),
events AS
(
    SELECT
        key, offset, received_ms,
        ifNull(e.ad_id, '') AS ad_id,
        ifNull(e.zone, '') AS event_zone,
        if(
            NOT match(e.at, '[^0-9-]'), toInt64OrZero(e.at),
            toUnixTimestamp64Milli(parseDateTime64BestEffortOrZero(upper(e.at), 3, 'UTC'))
        ) AS at_ms,
        ifNull(e.count, 1) AS n,
        e.type AS type,
        [
            if(type = 'impression', n, 0), if(type = 'click', n, 0), if(type = 'link_click', n, 0),
            ifNull(e.spend_micros, 0),
            ifNull(e.conversions_micros, if(type = 'conversion', n * 1000000, 0)),
            ifNull(e.revenue_micros, 0),
            if(type = 'video_view', n, 0),
            if(type = 'sent', n, 0), if(type = 'delivered', n, 0), if(type = 'opened', n, 0),
            if(type = 'clicked', n, 0), if(type = 'bounced', n, 0), if(type = 'complained', n, 0),
            if(type = 'unsubscribed', n, 0), if(type = 'failed', n, 0)
        ] AS figures
    FROM (SELECT * FROM once UNION ALL SELECT * FROM again)
),
minutes AS
(
    SELECT
        key, ad_id,
        intDiv(at_ms, 60000) * 60 AS minute_s,
        sumForEach(arrayMap(f -> toInt128(f), figures)) AS figures, -- 10,000 of the largest events are above 64 bits
        max(received_ms) AS last_ms,
        argMinIf(event_zone, offset, event_zone != '') AS zone_name,
        if(countIf(event_zone != '') = 0, 18446744073709551615, minIf(offset, event_zone != '')) AS zone_offset
    FROM events
    GROUP BY key, ad_id, minute_s
),
-- The days of a campaign are those of the zone its first event names.
placed AS
(
    SELECT
        *,
        if(named = '', 'UTC', named) AS zone,
        $hour_start AS hour_s,
        $day_start AS day_s
    FROM (SELECT *, argMin(zone_name, zone_offset) OVER (PARTITION BY key) AS named FROM minutes)
)
SELECT
    key AS campaign_key,
    '' AS ad_group_id,
    place.1 AS ad_id,
    place.2 AS window,
    place.3 AS start_s,
    arrayMap(f -> toInt64(least(f, toInt128(9223372036854775807))), sumForEach(figures)) AS figures,
    -- A window that is given up takes no more events. Where one came so late that it may have been, nothing is said.
    max(last_ms) < intDiv(start_s, 86400) * 86400000
        + transform(window, ['1m', '5m', '1h', '1d'], [172740000, 172740000, 3023940000, 34559940000], 0) AS comparable
FROM
(
    SELECT
        key, figures, last_ms,
        arrayJoin(arrayConcat(
            [
                ('', '1m', toInt64(minute_s)), ('', '5m', toInt64(intDiv(minute_s, 300) * 300)),
                ('', '1h', hour_s), ('', '1d', day_s)
            ],
            if(placed.ad_id = '', [], [(placed.ad_id, '1h', hour_s), (placed.ad_id, '1d', day_s)])
        )) AS place
    FROM placed
)
GROUP BY key, place
