"""Every ClickHouse table as data: columns in order, engine, sort key, partition, retention.

The migrations in `infra/clickhouse/migrations` create them; a contract test holds the two together.
"""

from schemas.measures import MEASURES
from schemas.table import (
    BOOL,
    DATE,
    FLOAT,
    INSTANT,
    INT,
    MAYBE_FLOAT,
    MAYBE_INSTANT,
    MAYBE_INT,
    MAYBE_TEXT,
    NAME,
    PLACE,
    SERVER,
    TEXT,
    Column,
    Table,
    instants,
    named,
    place,
)
from schemas.topics import (
    ALERT_TOPICS,
    CAMPAIGNS,
    DEAD_LETTERS,
    EVENTS_CAMPAIGN,
    FEEDS,
    RAW_EVENTS,
    RAW_GOOGLE_ADS,
    TOTALS,
)
from schemas.window import Level

_INGESTED = (Column("ingested_at", INSTANT, SERVER),)

_TOTAL_IDENTITY = (
    *named(TEXT, "total_id", "campaign_key"),
    *named(NAME, "platform", "account_id"),
    *named(TEXT, "campaign_id", "ad_group_id", "ad_id"),
    *named(NAME, "basis", "window"),
    *instants("start", "end"),
    Column("day", DATE, "@day"),  # of the account's calendar
    *named(NAME, "zone", "currency"),
)
_TOTAL_FIGURES = (
    *named(INT, *MEASURES),
    *instants("as_of"),
    *named(INT, "revision"),
    *named(BOOL, "is_final", "settled"),
    *named(PLACE, "version"),
    *named(NAME, "source_topic"),
    *named("UInt32", "source_partition"),
    *named(INT, "source_offset"),
    *place("totals"),
    Column("published_at", INSTANT, "@timestamp"),
)
_TOTAL_BUDGET = (
    *named(NAME, "campaign_name", "campaign_status"),
    *named(MAYBE_INT, "daily_budget_micros"),
    *named(MAYBE_TEXT, "budget_id"),
    *named(BOOL, "budget_shared"),
)
_TOTAL = (*_TOTAL_IDENTITY, *_TOTAL_FIGURES, *_TOTAL_BUDGET, *_INGESTED)
_TOTAL_KEY = ("basis", "window", "platform", "account_id", "campaign_id")

_ALERT = (
    *named(TEXT, "alert_id", "event_id"),
    *named(PLACE, "version"),
    *named(NAME, "transition", "kind", "rule_id", "alert_type", "severity", "project_id"),
    *named(TEXT, "campaign_key"),
    *named(NAME, "platform", "account_id"),
    *named(TEXT, "campaign_id", "campaign_name"),
    *named(NAME, "basis", "window"),
    *instants("window_start", "window_end"),
    *named(NAME, "zone", "currency", "metric"),
    *named(MAYBE_FLOAT, "threshold"),
    *named(FLOAT, "current_value"),
    *named(MAYBE_FLOAT, "previous_value", "expected", "interval_low", "interval_high", "score"),
    *named(INT, "spend_at_risk_micros"),
    *named(TEXT, "message"),
    Column("numerator", INT, "evidence.numerator"),
    Column("denominator", MAYBE_INT, "evidence.denominator"),
    Column("revision", INT, "evidence.revision"),
    Column("as_of", INSTANT, "evidence.as_of_ms"),
    Column("settled", BOOL, "evidence.settled"),
    Column("total_id", TEXT, "evidence.total_id"),
    Column("total_version", PLACE, "evidence.total_version"),
    *named(TEXT, "link"),
    *instants("at"),
    Column("alerts_topic", NAME, "@topic"),
    *place("alerts"),
    *_INGESTED,
)

_CAMPAIGN = (
    *named(TEXT, "campaign_key"),
    *named(NAME, "project_id", "platform", "account_id"),
    *named(TEXT, "campaign_id", "name"),
    *named(NAME, "type", "objective", "status", "currency", "zone"),
    *instants("start", "end", type_=MAYBE_INSTANT),
    *named(MAYBE_INT, "daily_budget_micros", "total_budget_micros"),
    *named(MAYBE_TEXT, "budget_id"),
    *named(BOOL, "budget_shared"),
    *named(PLACE, "version"),
    *instants("as_of"),
    *place("campaigns"),
    *_INGESTED,
)

_FEED = (
    *named(NAME, "source", "account_id", "report", "state"),
    *instants("at"),
    *instants("last_ok", "read_until", type_=MAYBE_INSTANT),
    *named(INT, "rows", "vanished"),
    *named(TEXT, "detail"),
    *place("feeds"),
    *_INGESTED,
)

RAW_RECORDS = Table(
    "raw_records",
    (
        Column("topic", NAME, "@topic"),
        Column("topic_id", NAME, "@topic_id"),
        Column("partition", "UInt32", "@partition"),
        Column("offset", PLACE, "@offset"),
        Column("key", TEXT, "@key"),
        Column("timestamp", INSTANT, "@timestamp"),
        Column("value", TEXT, "@value"),
        Column("kind", TEXT, SERVER),
        *_INGESTED,
    ),
    ("topic", "partition", "offset"),
    partition_by="topic, intDiv(offset, 20000000)",
    retention="raw",
)
CAMPAIGN_TOTALS = Table(
    "totals",
    _TOTAL,
    (*_TOTAL_KEY, "start"),
    version="version",
    partition_by="toYYYYMM(start)",
    retention="totals",
    level=Level.CAMPAIGN,
    newest_by="total_id",
)
CREATIVE_TOTALS = Table(
    "creative_totals",
    _TOTAL,
    (*_TOTAL_KEY, "ad_group_id", "ad_id", "start"),
    version="version",
    partition_by="toYYYYMM(start)",
    retention="totals",
    level=Level.AD,
    newest_by="total_id",
)
TOTALS_HISTORY = Table(
    "totals_history",
    _TOTAL,
    (*_TOTAL_KEY, "ad_group_id", "ad_id", "start", "version"),
    partition_by="toYYYYMM(start)",
    retention="raw",
)
ALERTS = Table("alerts", _ALERT, ("alert_id",), version="version")
ALERT_HISTORY = Table("alert_history", _ALERT, ("alert_id", "version", "event_id"))
CAMPAIGN_REGISTRY = Table("campaigns", _CAMPAIGN, ("platform", "account_id", "campaign_id"), version="version")
CAMPAIGN_HISTORY = Table("campaign_history", _CAMPAIGN, ("platform", "account_id", "campaign_id", "version"))
LETTERS = Table(
    "dead_letters",
    (
        *named(NAME, "code", "field"),
        *named(TEXT, "detail"),
        *named(NAME, "stage", "topic"),
        *named("UInt32", "partition"),
        *named(PLACE, "offset"),
        *instants("timestamp"),
        Column("key", MAYBE_TEXT, "key|base64"),
        Column("value", MAYBE_TEXT, "value|base64"),
        *place("letters"),
        *_INGESTED,
    ),
    ("topic", "partition", "offset"),
    retention="raw",
)
FEED_HEALTH = Table("feed_health", _FEED, ("source", "account_id", "report"), version="at")
FEED_HISTORY = Table("feed_history", _FEED, ("source", "account_id", "report", "at"), retention="raw")
PUBLIC_EVENTS = Table(
    "public_events",
    (
        *named(TEXT, "event_id"),
        *named(NAME, "event_type"),
        *named(INT, "sequence"),
        *named(NAME, "project_id"),
        Column("campaign_key", TEXT, "@key"),
        *named(TEXT, "campaign_id"),
        *named(TEXT, "timestamp"),
        Column("payload", TEXT, "@value"),
        *place("events"),
        *_INGESTED,
    ),
    ("campaign_key", "sequence", "event_id"),
    retention="raw",
)
# A range of one partition that is stored: its records are in the tables. Written after the rows, read at a start.
SINK_BLOCKS = Table(
    "sink_blocks",
    (
        Column("topic", NAME, "topic"),
        Column("topic_id", NAME, "topic_id"),
        Column("partition", "UInt32", "partition"),
        Column("first_offset", PLACE, "first_offset"),
        Column("last_offset", PLACE, "last_offset"),
        Column("rows", PLACE, "rows"),
        Column("skipped", PLACE, "skipped"),
        Column("refused", PLACE, "refused"),
        Column("newest", INSTANT, "newest_ms"),
        Column("written_at", INSTANT, SERVER),
    ),
    ("topic", "topic_id", "partition", "first_offset"),
    version="last_offset",
)
MIGRATIONS = Table(
    "migrations",
    (
        Column("number", "UInt32", "number"),
        Column("name", TEXT, "name"),
        Column("sha256", TEXT, "sha256"),
        Column("applied_at", INSTANT, SERVER),
    ),
    ("number",),
)

TABLES: tuple[Table, ...] = (
    RAW_RECORDS,
    CAMPAIGN_TOTALS,
    CREATIVE_TOTALS,
    TOTALS_HISTORY,
    ALERTS,
    ALERT_HISTORY,
    CAMPAIGN_REGISTRY,
    CAMPAIGN_HISTORY,
    LETTERS,
    FEED_HEALTH,
    FEED_HISTORY,
    PUBLIC_EVENTS,
    SINK_BLOCKS,
    MIGRATIONS,
)
VIEWS: tuple[str, ...] = (
    "insights",
    "creative_insights",
    "daily_report",
    "top_creatives",
    "pacing",
    "open_alerts",
    "blended_roas",
    "ad_reporting",
    "totals_as_known_at",
)
# Which tables a topic's records become rows of.
TABLES_OF: dict[str, tuple[Table, ...]] = {
    RAW_GOOGLE_ADS: (RAW_RECORDS,),
    RAW_EVENTS: (RAW_RECORDS,),
    TOTALS: (TOTALS_HISTORY, CAMPAIGN_TOTALS, CREATIVE_TOTALS),
    CAMPAIGNS: (CAMPAIGN_HISTORY, CAMPAIGN_REGISTRY),
    FEEDS: (FEED_HISTORY, FEED_HEALTH),
    DEAD_LETTERS: (LETTERS,),
    **dict.fromkeys(ALERT_TOPICS, (ALERT_HISTORY, ALERTS)),
    EVENTS_CAMPAIGN: (PUBLIC_EVENTS,),
}
SINK_TOPICS: tuple[str, ...] = tuple(TABLES_OF)
