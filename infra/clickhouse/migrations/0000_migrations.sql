-- What has been applied. Run at every start; every statement of every migration is safe to repeat.

CREATE TABLE IF NOT EXISTS migrations
(
    number      UInt32,
    name        String,
    sha256      String,
    applied_at  DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (number)
SETTINGS non_replicated_deduplication_window = 10000;
