"""Brings the database to this release: numbered files, forward only, each safe to repeat.

`pulse.migrations` says which were applied and what they were; an applied file that has changed since is refused.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from clickhouse_connect.driver.client import Client

from connectors.clickhouse.client import connected, rows
from connectors.settings import Settings
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured
from schemas.tables import TABLES

FOLDER = Path(__file__).resolve().parents[2] / "infra" / "clickhouse" / "migrations"
_STATEMENT_END = re.compile(r";[ \t]*$", re.MULTILINE)
_DAYS = re.compile(r"TTL .*?toIntervalDay\((\d+)\)")
Progress = Callable[[int, int, str], None]  # done, of how many, what is next


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        return [text.strip() for text in _STATEMENT_END.split(self.sql) if _without_comments(text).strip()]


def _without_comments(sql: str) -> str:
    return "\n".join(line for line in sql.splitlines() if not line.startswith("--"))


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """In order. Number 0 makes the table that remembers the others."""
    files = sorted(folder.glob("[0-9]*.sql"))
    return [Migration(int(path.stem.split("_")[0]), path.stem, path.read_text(encoding="utf-8")) for path in files]


def migrate(settings: Settings, progress: Progress | None = None, folder: Path = FOLDER) -> list[str]:
    """Creates the database, applies what is missing and sets retention. Returns the names of what was applied.

    A second call changes nothing. Raises Misconfigured(SCHEMA_MISMATCH) when an applied file has changed since,
    else as `connected`.
    """
    with connected(settings, database=False) as client:
        client.command(f"CREATE DATABASE IF NOT EXISTS `{settings.clickhouse.database}`")
    with connected(settings) as client:
        missing = _missing(client, migrations(folder))
        for done, migration in enumerate(missing):
            if progress is not None:
                progress(done, len(missing), migration.name)
            for statement in migration.statements:
                client.command(statement)
            client.insert(
                "migrations",
                [(migration.number, migration.name, migration.sha256)],
                column_names=["number", "name", "sha256"],
            )
        if progress is not None and missing:
            progress(len(missing), len(missing), "")
        _set_retention(client, settings)
    return [migration.name for migration in missing]


def pending(settings: Settings, folder: Path = FOLDER) -> list[str]:
    """Names of migrations that are not applied; changes nothing. Raises as `migrate`."""
    try:
        with connected(settings) as client:
            return [migration.name for migration in _missing(client, migrations(folder))]
    except Misconfigured as error:
        if error.code == MisconfiguredCode.SCHEMA_MISMATCH and "UNKNOWN_DATABASE" in error.detail:
            return [migration.name for migration in migrations(folder)]
        raise


def _missing(client: Client, known: list[Migration]) -> list[Migration]:
    if not client.command("EXISTS TABLE migrations"):
        return known
    applied = {row["number"]: row for row in rows(client, "SELECT number, name, sha256 FROM migrations FINAL")}
    for migration in known:
        row = applied.get(migration.number)
        if row is not None and row["sha256"] != migration.sha256:
            raise Misconfigured(
                MisconfiguredCode.SCHEMA_MISMATCH,
                f"Migration {migration.name} is not what was applied as {row['name']}; restore that file and put the "
                "change into a new one.",
            )
    newest = max((migration.number for migration in known), default=-1)
    beyond = sorted(row["name"] for number, row in applied.items() if number > newest)
    if beyond:
        raise Misconfigured(
            MisconfiguredCode.SCHEMA_MISMATCH,
            f"The database has {beyond[-1]}, which this release does not know; run the release that made it, or "
            "a later one.",
        )
    return [migration for migration in known if migration.number not in applied]


def _set_retention(client: Client, settings: Settings) -> None:
    """The files carry the defaults; a table whose days differ from the settings is altered."""
    days = {
        "raw": settings.clickhouse.raw_retention_days,
        "totals": settings.clickhouse.totals_retention_days,
    }
    engines = rows(client, "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()")
    present = {row["name"]: _DAYS.search(row["engine_full"]) for row in engines}
    for table in TABLES:
        if table.retention == "kept" or table.name not in present:
            continue
        found, wanted = present[table.name], days[table.retention]
        if found is None or int(found[1]) != wanted:
            client.command(
                f"ALTER TABLE {table.name} MODIFY TTL toDateTime(ingested_at) + INTERVAL {wanted} DAY "
                "SETTINGS materialize_ttl_after_modify = 0"
            )
