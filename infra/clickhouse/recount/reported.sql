-- What the reported totals must be, from the stored report rows alone. Shares nothing with the pipeline.
-- $local_s, $hour_start, $day_start: the instant of the local time `clock` in `zone`, and where its hour and day begin.
WITH
accepted AS
(
    SELECT
        partition, offset, key, value,
        JSONExtract(
            value,
            'Tuple(kind String, report String, account_id String, fetched_at_ms Int64, since String, until String,
                   row Tuple(
                       customer Tuple(timeZone String),
                       adGroup Tuple(id String), adGroupAd Tuple(ad Tuple(id String)),
                       segments Tuple(date String, hour Int64),
                       metrics Tuple(impressions Int64, clicks Int64, costMicros Int64, videoTrueviewViews Int64)))'
        ) AS e
    FROM raw_records
    WHERE topic = {topic:String}
        AND (partition, offset) NOT IN
            (SELECT partition, offset FROM dead_letters FINAL WHERE topic = {topic:String} AND stage != 'sink' AND code != 'cleared')
),
revisions AS
(
    SELECT
        partition, offset, key AS campaign_key,
        e.kind AS kind, e.report AS report, e.account_id AS account_id, e.fetched_at_ms AS fetched_at_ms,
        e.row.customer.timeZone AS zone,
        if(report = 'ad_day', e.row.adGroup.id, '') AS ad_group_id,
        if(report = 'ad_day', e.row.adGroupAd.ad.id, '') AS ad_id,
        e.row.segments.date AS date,
        if(report = 'campaign_hour', '1h', '1d') AS window,
        -- A quarter to the next hour, and noon, are shown by every clock on every day.
        concat(date, ' ', if(window = '1h', concat(leftPad(toString(e.row.segments.hour), 2, '0'), ':45:00'), '12:00:00'))
            AS clock,
        -- Doubles are read from the text, exactly, and rounded half to even at a millionth.
        extract(value, '"conversions"\\s*:\\s*"?([-+0-9.eE]+)') AS conversions,
        extract(value, '"conversionsValue"\\s*:\\s*"?([-+0-9.eE]+)') AS revenue,
        if(
            kind = 'vanished', CAST(range(0), 'Array(Int64)'),
            [
                e.row.metrics.impressions, e.row.metrics.clicks, 0, e.row.metrics.costMicros,
                toInt64(roundBankers(toDecimal256OrZero(conversions, 40) * 1000000, 0)),
                toInt64(roundBankers(toDecimal256OrZero(revenue, 40) * 1000000, 0)),
                e.row.metrics.videoTrueviewViews
            ]
        ) AS known
    FROM accepted
    WHERE e.kind IN ('row', 'vanished') AND e.report IN ('campaign_day', 'campaign_hour', 'ad_day')
),
-- Of every date, how new the newest complete read was at each offset.
complete AS
(
    SELECT
        partition, account_id, report, date, offset,
        max(fetched_at_ms) OVER
            (PARTITION BY partition, account_id, report, date ORDER BY offset ASC ROWS UNBOUNDED PRECEDING) AS read_ms
    FROM
    (
        SELECT
            partition, offset, e.account_id AS account_id, e.report AS report, e.fetched_at_ms AS fetched_at_ms,
            toString(toDate(arrayJoin(range(
                toUInt32(toDateOrZero(e.since)), toUInt32(toDateOrZero(e.until)) + 1
            )))) AS date
        FROM accepted
        WHERE e.kind = 'report_complete'
        LIMIT 1 BY partition, offset, date
    )
),
-- A revision older than a complete read of its day that came before it is not taken.
taken AS
(
    SELECT r.*, $local_s AS at_s
    FROM revisions AS r
    ASOF LEFT JOIN complete AS c
        ON r.partition = c.partition AND r.account_id = c.account_id AND r.report = c.report AND r.date = c.date
        AND r.offset > c.offset
    WHERE r.fetched_at_ms >= c.read_ms
)
-- The newest revision holds: the latest read, then the latest record. What has vanished without ever being there is no
-- total.
SELECT
    campaign_key, ad_group_id, ad_id, window, start_s,
    arrayResize(argMax(known, (fetched_at_ms, offset)), 15, 0) AS figures,
    1 AS comparable
FROM (SELECT *, if(window = '1h', $hour_start, $day_start) AS start_s FROM taken)
GROUP BY campaign_key, ad_group_id, ad_id, window, start_s
HAVING countIf(kind = 'row') > 0
