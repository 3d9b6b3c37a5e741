-- Which ranges of which partitions are stored. The sink resumes behind the last one; a range without records only grows.

CREATE TABLE IF NOT EXISTS sink_blocks
(
    topic         LowCardinality(String),
    topic_id      LowCardinality(String),
    partition     UInt32,
    first_offset  UInt64 CODEC(Delta, ZSTD(1)),
    last_offset   UInt64 CODEC(Delta, ZSTD(1)),
    rows          UInt64 CODEC(T64, ZSTD(1)),
    skipped       UInt64 CODEC(T64, ZSTD(1)),
    refused       UInt64 CODEC(T64, ZSTD(1)),
    newest        DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    written_at    DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(last_offset)
ORDER BY (topic, topic_id, partition, first_offset)
SETTINGS non_replicated_deduplication_window = 10000;
