"""Every ClickHouse table as data: columns in order, engine, sort key, partition, retention.

The migrations in `infra/clickhouse/migrations` create them; a contract test holds the two together.
A column's `source` says what fills it: a field of the topic's contract (`evidence.numerator` inside
another), a part of the Kafka record (`@offset`), or the server (`@server`). `_ms` fields become
`DateTime64(3, 'UTC')` columns without the suffix; amounts stay whole micros, named as in the contract.
"""

from dataclasses import dataclass
from typing import Literal

from schemas.measures import MEASURES
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

INSTANT = "DateTime64(3, 'UTC')"
NAME = "LowCardinality(String)"
TEXT = "String"
INT = "Int64"
PLACE = "UInt64"  # offsets and versions
BOOL = "Bool"
FLOAT = "Float64"
DATE = "Date32"
MAYBE_INT, MAYBE_FLOAT, MAYBE_TEXT = "Nullable(Int64)", "Nullable(Float64)", "Nullable(String)"
MAYBE_INSTANT = "Nullable(DateTime64(3, 'UTC'))"
SERVER = "@server"

Retention = Literal["raw", "totals", "kept"]  # by time of arrival: event time may be long ago or, in a demo, ahead


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    source: str

    @property
    def inserted(self) -> bool:
        return self.source != SERVER


@dataclass(frozen=True, slots=True)
class Table:
    """`version`: the column by which the newest of equal keys is known; "" where copies are identical.

    `level`: of the totals topic only totals of this level; `newest_by`: the field that names a row, where of one
    block only its newest copy need be stored; "" where every copy counts.
    """

    name: str
    columns: tuple[Column, ...]
    order_by: tuple[str, ...]
    version: str = ""
    partition_by: str = ""
    retention: Retention = "kept"
    level: Level | None = None
    newest_by: str = ""

    @property
    def inserted(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.inserted)


def _named(type_: str, *names: str) -> tuple[Column, ...]:
    return tuple(Column(name, type_, name) for name in names)


def _instants(*names: str, type_: str = INSTANT) -> tuple[Column, ...]:
    return tuple(Column(name, type_, f"{name}_ms") for name in names)


def _place(prefix: str) -> tuple[Column, ...]:
    """Where the row's own record lies, so that loss and repeats can be shown in SQL."""
    return (Column(f"{prefix}_partition", "UInt32", "@partition"), Column(f"{prefix}_offset", PLACE, "@offset"))


_INGESTED = (Column("ingested_at", INSTANT, SERVER),)

_TOTAL_IDENTITY = (
    *_named(TEXT, "total_id", "campaign_key"),
    *_named(NAME, "platform", "account_id"),
    *_named(TEXT, "campaign_id", "ad_group_id", "ad_id"),
    *_named(NAME, "basis", "window"),
    *_instants("start", "end"),
    Column("day", DATE, "@day"),  # of the account's calendar
    *_named(NAME, "zone", "currency"),
)
_TOTAL_FIGURES = (
    *_named(INT, *MEASURES),
    *_instants("as_of"),
    *_named(INT, "revision"),
    *_named(BOOL, "is_final", "settled"),
    *_named(PLACE, "version"),
    *_named(NAME, "source_topic"),
    *_named("UInt32", "source_partition"),
    *_named(INT, "source_offset"),
    *_place("totals"),
    Column("published_at", INSTANT, "@timestamp"),
)
_TOTAL_BUDGET = (
    *_named(NAME, "campaign_name", "campaign_status"),
    *_named(MAYBE_INT, "daily_budget_micros"),
    *_named(MAYBE_TEXT, "budget_id"),
    *_named(BOOL, "budget_shared"),
)
_TOTAL = (*_TOTAL_IDENTITY, *_TOTAL_FIGURES, *_TOTAL_BUDGET, *_INGESTED)
_TOTAL_KEY = ("basis", "window", "platform", "account_id", "campaign_id")

_ALERT = (
    *_named(TEXT, "alert_id", "event_id"),
    *_named(PLACE, "version"),
    *_named(NAME, "transition", "kind", "rule_id", "alert_type", "severity", "project_id"),
    *_named(TEXT, "campaign_key"),
    *_named(NAME, "platform", "account_id"),
    *_named(TEXT, "campaign_id", "campaign_name"),
    *_named(NAME, "basis", "window"),
    *_instants("window_start", "window_end"),
    *_named(NAME, "zone", "currency", "metric"),
    *_named(MAYBE_FLOAT, "threshold"),
    *_named(FLOAT, "current_value"),
    *_named(MAYBE_FLOAT, "previous_value", "expected", "interval_low", "interval_high", "score"),
    *_named(INT, "spend_at_risk_micros"),
    *_named(TEXT, "message"),
    Column("numerator", INT, "evidence.numerator"),
    Column("denominator", MAYBE_INT, "evidence.denominator"),
    Column("revision", INT, "evidence.revision"),
    Column("as_of", INSTANT, "evidence.as_of_ms"),
    Column("settled", BOOL, "evidence.settled"),
    Column("total_id", TEXT, "evidence.total_id"),
    Column("total_version", PLACE, "evidence.total_version"),
    *_named(TEXT, "link"),
    *_instants("at"),
    Column("alerts_topic", NAME, "@topic"),
    *_place("alerts"),
    *_INGESTED,
)

_CAMPAIGN = (
    *_named(TEXT, "campaign_key"),
    *_named(NAME, "project_id", "platform", "account_id"),
    *_named(TEXT, "campaign_id", "name"),
    *_named(NAME, "type", "objective", "status", "currency", "zone"),
    *_instants("start", "end", type_=MAYBE_INSTANT),
    *_named(MAYBE_INT, "daily_budget_micros", "total_budget_micros"),
    *_named(MAYBE_TEXT, "budget_id"),
    *_named(BOOL, "budget_shared"),
    *_named(PLACE, "version"),
    *_instants("as_of"),
    *_place("campaigns"),
    *_INGESTED,
)

_FEED = (
    *_named(NAME, "source", "account_id", "report", "state"),
    *_instants("at"),
    *_instants("last_ok", "read_until", type_=MAYBE_INSTANT),
    *_named(INT, "rows", "vanished"),
    *_named(TEXT, "detail"),
    *_place("feeds"),
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
        *_named(NAME, "code", "field"),
        *_named(TEXT, "detail"),
        *_named(NAME, "stage", "topic"),
        *_named("UInt32", "partition"),
        *_named(PLACE, "offset"),
        *_instants("timestamp"),
        Column("key", MAYBE_TEXT, "key|base64"),
        Column("value", MAYBE_TEXT, "value|base64"),
        *_place("letters"),
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
        *_named(TEXT, "event_id"),
        *_named(NAME, "event_type"),
        *_named(INT, "sequence"),
        *_named(NAME, "project_id"),
        Column("campaign_key", TEXT, "@key"),
        *_named(TEXT, "campaign_id"),
        *_named(TEXT, "timestamp"),
        Column("payload", TEXT, "@value"),
        *_place("events"),
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
