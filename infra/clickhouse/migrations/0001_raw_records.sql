-- Raw records byte for byte. One row per Kafka record: the place is the identity. Retention counts from arrival,
-- because the records of a recorded file are old from the start.

CREATE TABLE IF NOT EXISTS raw_records
(
    topic        LowCardinality(String),
    topic_id     LowCardinality(String),
    partition    UInt32,
    offset       UInt64 CODEC(Delta, ZSTD(1)),
    key          String,
    timestamp    DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    value        String CODEC(ZSTD(3)),
    kind         String ALIAS JSONExtractString(value, 'kind'),
    ingested_at  DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY (topic, intDiv(offset, 20000000))
ORDER BY (topic, partition, offset)
TTL toDateTime(ingested_at) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
