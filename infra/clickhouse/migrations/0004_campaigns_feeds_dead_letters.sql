-- Campaigns and feeds as they stand and as they were; records that could not go on, with their bytes.

CREATE TABLE IF NOT EXISTS campaigns
(
    campaign_key         String,
    project_id           LowCardinality(String),
    platform             LowCardinality(String),
    account_id           LowCardinality(String),
    campaign_id          String,
    name                 String,
    type                 LowCardinality(String),
    objective            LowCardinality(String),
    status               LowCardinality(String),
    currency             LowCardinality(String),
    zone                 LowCardinality(String),
    start                Nullable(DateTime64(3, 'UTC')),
    end                  Nullable(DateTime64(3, 'UTC')),
    daily_budget_micros  Nullable(Int64),
    total_budget_micros  Nullable(Int64),
    budget_id            Nullable(String),
    budget_shared        Bool,
    version              UInt64 CODEC(T64, ZSTD(1)),
    as_of                DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    campaigns_partition  UInt32,
    campaigns_offset     UInt64 CODEC(Delta, ZSTD(1)),
    ingested_at          DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (platform, account_id, campaign_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS campaign_history
(
    campaign_key         String,
    project_id           LowCardinality(String),
    platform             LowCardinality(String),
    account_id           LowCardinality(String),
    campaign_id          String,
    name                 String,
    type                 LowCardinality(String),
    objective            LowCardinality(String),
    status               LowCardinality(String),
    currency             LowCardinality(String),
    zone                 LowCardinality(String),
    start                Nullable(DateTime64(3, 'UTC')),
    end                  Nullable(DateTime64(3, 'UTC')),
    daily_budget_micros  Nullable(Int64),
    total_budget_micros  Nullable(Int64),
    budget_id            Nullable(String),
    budget_shared        Bool,
    version              UInt64 CODEC(T64, ZSTD(1)),
    as_of                DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    campaigns_partition  UInt32,
    campaigns_offset     UInt64 CODEC(Delta, ZSTD(1)),
    ingested_at          DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (platform, account_id, campaign_id, version)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS feed_health
(
    source           LowCardinality(String),
    account_id       LowCardinality(String),
    report           LowCardinality(String),
    state            LowCardinality(String),
    at               DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    last_ok          Nullable(DateTime64(3, 'UTC')),
    read_until       Nullable(DateTime64(3, 'UTC')),
    rows             Int64 CODEC(T64, ZSTD(1)),
    vanished         Int64 CODEC(T64, ZSTD(1)),
    detail           String,
    feeds_partition  UInt32,
    feeds_offset     UInt64 CODEC(Delta, ZSTD(1)),
    ingested_at      DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (source, account_id, report)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS feed_history
(
    source           LowCardinality(String),
    account_id       LowCardinality(String),
    report           LowCardinality(String),
    state            LowCardinality(String),
    at               DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    last_ok          Nullable(DateTime64(3, 'UTC')),
    read_until       Nullable(DateTime64(3, 'UTC')),
    rows             Int64 CODEC(T64, ZSTD(1)),
    vanished         Int64 CODEC(T64, ZSTD(1)),
    detail           String,
    feeds_partition  UInt32,
    feeds_offset     UInt64 CODEC(Delta, ZSTD(1)),
    ingested_at      DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (source, account_id, report, at)
TTL toDateTime(ingested_at) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS dead_letters
(
    code               LowCardinality(String),
    field              LowCardinality(String),
    detail             String,
    stage              LowCardinality(String),
    topic              LowCardinality(String),
    partition          UInt32,
    offset             UInt64 CODEC(Delta, ZSTD(1)),
    timestamp          DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    key                Nullable(String),
    value              Nullable(String) CODEC(ZSTD(3)),
    letters_partition  UInt32,
    letters_offset     UInt64 CODEC(Delta, ZSTD(1)),
    ingested_at        DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, offset)
TTL toDateTime(ingested_at) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
