"""The tables as `schemas.tables` states them, as migrations make them, and as the contracts of the topics fill them."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.clickhouse.blocks import arrow_type
from connectors.clickhouse.client import connected, rows
from connectors.clickhouse.migrations import FOLDER, migrate, migrations, pending
from connectors.settings import Settings
from pipeline.errors import Misconfigured
from schemas.table import SERVER, Table
from schemas.tables import RAW_RECORDS, SINK_TOPICS, TABLES, TABLES_OF, VIEWS
from schemas.topics import BUDGET_DAYS, BY_NAME, CURSORS, TOTALS
from tests.integration.clickhouse_rows import database, settings_of


@pytest.fixture(scope="module")
def settings(clickhouse_http: int) -> Iterator[Settings]:
    with database(clickhouse_http, "contract_tables") as made:
        yield made


def asked(settings: Settings, sql: str) -> list[dict[str, Any]]:
    with connected(settings) as client:
        return rows(client, sql)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_migrations_on_an_empty_engine_make_exactly_the_stated_table(settings: Settings, table: Table) -> None:
    found = asked(
        settings,
        "SELECT name, type, default_kind FROM system.columns "
        f"WHERE database = currentDatabase() AND table = '{table.name}' ORDER BY position",
    )
    assert [(row["name"], row["type"]) for row in found] == [(column.name, column.type) for column in table.columns]
    server = {row["name"] for row in found if row["default_kind"]}
    assert server == {column.name for column in table.columns if column.source == SERVER}
    (made,) = asked(
        settings,
        "SELECT engine_full, sorting_key, partition_key FROM system.tables "
        f"WHERE database = currentDatabase() AND name = '{table.name}'",
    )
    engine = f"ReplacingMergeTree({table.version})" if table.version else "ReplacingMergeTree"
    assert re.split(r" (?:PARTITION|ORDER) BY", made["engine_full"])[0] == engine
    assert made["sorting_key"].strip("()") == ", ".join(table.order_by)
    several = "," in table.partition_by
    assert made["partition_key"] == (f"({table.partition_by})" if several else table.partition_by)
    days = {"raw": 90, "totals": 400, "kept": None}[table.retention]
    ttl = re.search(r"TTL toDateTime\(ingested_at\) \+ toIntervalDay\((\d+)\)", made["engine_full"])
    assert (int(ttl[1]) if ttl else None) == days
    assert "non_replicated_deduplication_window = 10000" in made["engine_full"]


def test_nothing_else_is_in_the_database(settings: Settings) -> None:
    found = {row["name"] for row in asked(settings, "SHOW TABLES")}
    assert found == {table.name for table in TABLES} | set(VIEWS)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_equal_keys_always_meet_in_one_partition(table: Table) -> None:
    """Otherwise Replacing never collapses them: the partition is a function of the sort key."""
    names = set(re.findall(r"\b([a-z_]+)\b(?!\()", table.partition_by))
    assert names <= set(table.order_by)


@pytest.mark.parametrize("topic", SINK_TOPICS)
def test_every_column_is_filled_by_a_field_of_the_topics_contract(topic: str) -> None:
    model = BY_NAME[topic].model
    for table in TABLES_OF[topic]:
        for column in table.inserted:
            arrow_type(column.type)
            if column.source.startswith("@") or model is None or table is RAW_RECORDS:
                continue
            fields: Any = model.model_fields
            for part in column.source.split("|")[0].split("."):
                assert part in fields, (table.name, column.name)
                fields = getattr(fields[part].annotation, "model_fields", {})


@pytest.mark.parametrize("topic", [topic for topic in SINK_TOPICS if BY_NAME[topic].model and "raw." not in topic])
def test_every_field_of_a_published_contract_is_stored(topic: str) -> None:
    model = BY_NAME[topic].model
    assert model is not None
    stored = {column.source.split("|")[0].split(".")[0] for table in TABLES_OF[topic] for column in table.columns}
    left_out = {"schema_version", "level"} if topic == TOTALS else {"schema_version"}  # the level says which table
    assert set(model.model_fields) - stored == left_out


def test_the_sink_stores_every_topic_but_our_own_state() -> None:
    kept_apart = {name for name in BY_NAME if name.startswith("state.")} | {CURSORS, BUDGET_DAYS}
    assert set(SINK_TOPICS) == set(BY_NAME) - kept_apart


def test_a_second_run_changes_nothing_and_every_file_may_be_repeated(settings: Settings) -> None:
    assert migrate(settings) == []
    assert pending(settings) == []
    before = asked(settings, "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()")
    with connected(settings) as client:
        for migration in migrations():
            for statement in migration.statements:
                client.command(statement)
    after = asked(settings, "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()")
    assert after == before


def test_files_are_numbered_without_a_gap_and_only_go_forward() -> None:
    assert [migration.number for migration in migrations()] == list(range(len(migrations())))
    for migration in migrations():
        assert not re.search(r"\b(DROP|TRUNCATE|DELETE)\b", migration.sql), migration.name


def test_an_absent_database_is_all_pending_and_progress_is_told(
    clickhouse_http: int, unique_name: Callable[[str], str]
) -> None:
    settings = settings_of(clickhouse_http, unique_name("empty"))
    names = [migration.name for migration in migrations()]
    assert pending(settings) == names
    told: list[tuple[int, int, str]] = []
    try:
        assert migrate(settings, lambda done, of, name: told.append((done, of, name))) == names
        assert told[0] == (0, len(names), names[0])
        assert told[-1] == (len(names), len(names), "")
    finally:
        with connected(settings, database=False) as client:
            client.command(f"DROP DATABASE `{settings.clickhouse.database}`")


def test_a_crash_between_a_file_and_its_record_is_mended_by_the_next_run(
    clickhouse_http: int, unique_name: Callable[[str], str]
) -> None:
    with database(clickhouse_http, unique_name("crash")) as settings:
        with connected(settings) as client:
            client.command("DELETE FROM migrations WHERE number >= 3", settings={"mutations_sync": 2})
        assert [name[:4] for name in migrate(settings)] == ["0003", "0004", "0005", "0006"]


def test_an_applied_file_that_has_changed_and_a_newer_database_are_refused(settings: Settings, tmp_path: Path) -> None:
    for path in FOLDER.glob("*.sql"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "0002_totals.sql").write_text("SELECT 1;\n")
    with pytest.raises(Misconfigured, match="0002_totals is not what was applied"):
        migrate(settings, folder=tmp_path)
    (tmp_path / "0002_totals.sql").write_text((FOLDER / "0002_totals.sql").read_text())
    (tmp_path / "0006_views.sql").unlink()
    with pytest.raises(Misconfigured, match="0006_views, which this release does not know"):
        pending(settings, folder=tmp_path)


def test_retention_follows_the_settings(clickhouse_http: int, unique_name: Callable[[str], str]) -> None:
    with database(clickhouse_http, unique_name("ttl")) as settings:
        shorter = settings.clickhouse.model_copy(update={"raw_retention_days": 7, "totals_retention_days": 30})
        assert migrate(settings.model_copy(update={"clickhouse": shorter})) == []
        found = asked(settings, "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()")
        days = {row["name"]: re.search(r"toIntervalDay\((\d+)\)", row["engine_full"]) for row in found}
        assert {name: int(match[1]) for name, match in days.items() if match} == {
            table.name: {"raw": 7, "totals": 30}[table.retention] for table in TABLES if table.retention != "kept"
        }
