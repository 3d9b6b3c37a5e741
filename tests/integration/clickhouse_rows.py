"""Messages as the pipeline writes them, and a database per test, for the tests of sink, views and proof."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from connectors.clickhouse.blocks import arrow_table
from connectors.clickhouse.client import connected, rows
from connectors.clickhouse.migrations import migrate
from connectors.settings import Settings
from pipeline.rows import block_of
from schemas.alert import Alert
from schemas.campaign import Campaign
from schemas.dead_letter import DeadLetter
from schemas.feed import FeedHealth
from schemas.table import Table
from schemas.tables import SINK_BLOCKS, TABLES
from schemas.total import Total

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NOON_MS = 1_790_000_000_000 // DAY_MS * DAY_MS + DAY_MS // 2
_TABLES = {table.name: table for table in TABLES}


@dataclass(frozen=True, slots=True)
class Rec:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def settings_of(port: int, database: str, **more: Any) -> Settings:
    return Settings(clickhouse={"host": "127.0.0.1", "port": port, "database": database}, **more)


@contextmanager
def database(port: int, name: str, **more: Any) -> Iterator[Settings]:
    """A migrated database that is dropped afterwards."""
    settings = settings_of(port, name, **more)
    migrate(settings)
    try:
        yield settings
    finally:
        with connected(settings, database=False) as client:
            client.command(f"DROP DATABASE `{name}`")


def ask(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    with connected(settings) as client:
        return [tuple(row.values()) for row in rows(client, sql)]


def store(settings: Settings, topic: str, partition: int, records: Sequence[Rec]) -> None:
    """Through the sink's own functions: rows, then the range."""
    block = block_of(topic, "id", partition, records)
    assert not block.refused, block.refused
    with connected(settings) as client:
        for name, columns in block.tables.items():
            client.insert_arrow(name, arrow_table(_TABLES[name], columns))
        ledger: Table = SINK_BLOCKS
        columns = {column.name: [block.ledger[column.source]] for column in ledger.inserted}
        client.insert_arrow(ledger.name, arrow_table(ledger, columns))


def total(**fields: Any) -> dict[str, Any]:
    """A valid total; `fields` on top. The id follows from the other fields."""
    campaign_id = fields.get("campaign_id", "7")
    start_ms = fields.get("start_ms", NOON_MS - DAY_MS // 2)
    platform, account_id = fields.get("platform", "google_ads"), fields.get("account_id", "123")
    base: dict[str, Any] = {
        "campaign_key": f"{platform}:{account_id}:{campaign_id}",
        "platform": platform,
        "account_id": account_id,
        "campaign_id": campaign_id,
        "level": "campaign",
        "ad_group_id": "",
        "ad_id": "",
        "basis": "reported",
        "window": "1d",
        "start_ms": start_ms,
        "end_ms": start_ms + DAY_MS,
        "zone": "UTC",
        "currency": "EUR",
        "as_of_ms": start_ms + HOUR_MS,
        "revision": 0,
        "is_final": False,
        "settled": False,
        "version": 4,
        "source_topic": "raw.google_ads.v1",
        "source_partition": 0,
        "source_offset": 0,
    }
    base |= fields
    parts = ("campaign_key", "ad_group_id", "ad_id", "basis", "window")
    base["total_id"] = "|".join([*(base[part] for part in parts), str(start_ms // 1000)])
    return Total(**base).model_dump(mode="json")


def alert(**fields: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "event_id": "e1",
        "alert_id": "a1",
        "version": 1,
        "transition": "firing",
        "kind": "budget",
        "rule_id": "budget_warning",
        "alert_type": "budget_warning",
        "severity": "medium",
        "project_id": "default",
        "campaign_key": "google_ads:123:7",
        "platform": "google_ads",
        "account_id": "123",
        "campaign_id": "7",
        "campaign_name": "Brand",
        "basis": "reported",
        "window": "1d",
        "window_start_ms": NOON_MS - DAY_MS // 2,
        "window_end_ms": NOON_MS + DAY_MS // 2,
        "zone": "UTC",
        "currency": "EUR",
        "metric": "spend",
        "threshold": 90.0,
        "current_value": 91.5,
        "spend_at_risk_micros": 1_500_000,
        "message": "91.5 % of the budget is spent",
        "evidence": {
            "numerator": 91,
            "denominator": 100,
            "revision": 3,
            "as_of_ms": NOON_MS,
            "settled": False,
            "total_id": "t",
            "total_version": 9,
        },
        "link": "",
        "at_ms": NOON_MS,
    }
    return Alert(**(base | fields)).model_dump(mode="json")


def records(
    messages: Sequence[dict[str, Any]], *, first: int = 0, key: bytes = b"k", at_ms: int = NOON_MS
) -> list[Rec]:
    return [Rec(first + index, at_ms, key, orjson.dumps(message)) for index, message in enumerate(messages)]


def letter(topic: str, offset: int, **fields: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "code": "bad_type",
        "field": "clicks",
        "detail": "a text",
        "stage": "aggregate",
        "topic": topic,
    }
    base |= {"partition": 0, "offset": offset, "timestamp_ms": NOON_MS, "key": None, "value": "/wA="}
    return DeadLetter(**(base | fields)).model_dump(mode="json")


def feed(**fields: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"source": "google_ads", "account_id": "123", "report": "campaign_day", "state": "ok"}
    base |= {"at_ms": NOON_MS, "last_ok_ms": NOON_MS - 1, "read_until_ms": None, "rows": 5}
    return FeedHealth(**(base | fields)).model_dump(mode="json")


def campaign(**fields: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"campaign_key": "google_ads:123:7", "project_id": "shop", "platform": "google_ads"}
    base |= {"account_id": "123", "campaign_id": "7", "name": "Brand DE", "type": "SEARCH", "status": "active"}
    base |= {"currency": "EUR", "zone": "UTC", "daily_budget_micros": 20_000_000, "version": 4, "as_of_ms": NOON_MS}
    return Campaign(**(base | fields)).model_dump(mode="json")
