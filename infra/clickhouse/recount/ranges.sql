-- Of every partition of raw records: how many rows the stored ranges speak of, and how many are there.
WITH
recent AS
(
    SELECT topic, partition, min(first_offset) AS first, max(last_offset) AS last, sum(rows) AS written
    FROM sink_blocks FINAL
    WHERE topic IN {topics:Array(String)} AND written_at > now() - toIntervalDay({days:UInt32})
    GROUP BY topic, partition
)
SELECT topic, partition, written, countIf(offset BETWEEN first AND last AND at > toDateTime(0)) AS present
FROM recent
LEFT JOIN (SELECT topic, partition, offset, ingested_at AS at FROM raw_records FINAL) AS raw USING (topic, partition)
GROUP BY topic, partition, written
