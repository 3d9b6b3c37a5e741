-- Whether retention may have taken raw records, and since when all of them are there.
SELECT
    (
        SELECT count() FROM sink_blocks
        WHERE topic IN {topics:Array(String)} AND written_at <= now() - toIntervalDay({days:UInt32})
    ) AS old,
    (
        SELECT toUnixTimestamp64Milli(max(oldest))
        FROM (SELECT min(timestamp) AS oldest FROM raw_records GROUP BY topic, partition)
    ) AS oldest_ms
