-- Alerts as they stand, every transition, and the public events as published.

CREATE TABLE IF NOT EXISTS alerts
(
    alert_id              String,
    event_id              String,
    version               UInt64 CODEC(T64, ZSTD(1)),
    transition            LowCardinality(String),
    kind                  LowCardinality(String),
    rule_id               LowCardinality(String),
    alert_type            LowCardinality(String),
    severity              LowCardinality(String),
    project_id            LowCardinality(String),
    campaign_key          String,
    platform              LowCardinality(String),
    account_id            LowCardinality(String),
    campaign_id           String,
    campaign_name         String,
    basis                 LowCardinality(String),
    window                LowCardinality(String),
    window_start          DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    window_end            DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    zone                  LowCardinality(String),
    currency              LowCardinality(String),
    metric                LowCardinality(String),
    threshold             Nullable(Float64),
    current_value         Float64,
    previous_value        Nullable(Float64),
    expected              Nullable(Float64),
    interval_low          Nullable(Float64),
    interval_high         Nullable(Float64),
    score                 Nullable(Float64),
    spend_at_risk_micros  Int64 CODEC(T64, ZSTD(1)),
    message               String,
    numerator             Int64 CODEC(T64, ZSTD(1)),
    denominator           Nullable(Int64),
    revision              Int64 CODEC(T64, ZSTD(1)),
    as_of                 DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    settled               Bool,
    total_id              String,
    total_version         UInt64 CODEC(T64, ZSTD(1)),
    link                  String,
    at                    DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    alerts_topic          LowCardinality(String),
    alerts_partition      UInt32,
    alerts_offset         UInt64 CODEC(Delta, ZSTD(1)),
    ingested_at           DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (alert_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS alert_history
(
    alert_id              String,
    event_id              String,
    version               UInt64 CODEC(T64, ZSTD(1)),
    transition            LowCardinality(String),
    kind                  LowCardinality(String),
    rule_id               LowCardinality(String),
    alert_type            LowCardinality(String),
    severity              LowCardinality(String),
    project_id            LowCardinality(String),
    campaign_key          String,
    platform              LowCardinality(String),
    account_id            LowCardinality(String),
    campaign_id           String,
    campaign_name         String,
    basis                 LowCardinality(String),
    window                LowCardinality(String),
    window_start          DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    window_end            DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    zone                  LowCardinality(String),
    currency              LowCardinality(String),
    metric                LowCardinality(String),
    threshold             Nullable(Float64),
    current_value         Float64,
    previous_value        Nullable(Float64),
    expected              Nullable(Float64),
    interval_low          Nullable(Float64),
    interval_high         Nullable(Float64),
    score                 Nullable(Float64),
    spend_at_risk_micros  Int64 CODEC(T64, ZSTD(1)),
    message               String,
    numerator             Int64 CODEC(T64, ZSTD(1)),
    denominator           Nullable(Int64),
    revision              Int64 CODEC(T64, ZSTD(1)),
    as_of                 DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    settled               Bool,
    total_id              String,
    total_version         UInt64 CODEC(T64, ZSTD(1)),
    link                  String,
    at                    DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)),
    alerts_topic          LowCardinality(String),
    alerts_partition      UInt32,
    alerts_offset         UInt64 CODEC(Delta, ZSTD(1)),
    ingested_at           DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (alert_id, version, event_id)
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS public_events
(
    event_id          String,
    event_type        LowCardinality(String),
    sequence          Int64 CODEC(T64, ZSTD(1)),
    project_id        LowCardinality(String),
    campaign_key      String,
    campaign_id       String,
    timestamp         String,
    payload           String CODEC(ZSTD(3)),
    events_partition  UInt32,
    events_offset     UInt64 CODEC(Delta, ZSTD(1)),
    ingested_at       DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree
ORDER BY (campaign_key, sequence, event_id)
TTL toDateTime(ingested_at) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;
