"""`pulse doctor`: everything a start needs, looked at without changing anything."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
import typer
from rich.console import Console
from rich.table import Table

from agents.local_stack import environment_of
from connectors.clickhouse.client import connected
from connectors.clickhouse.migrations import pending
from connectors.clock import Clock
from connectors.kafka_admin import config_drift, describe
from connectors.local.kafka_jars import cache_directory, find_java, find_maven
from connectors.setting_refusals import MASK
from connectors.settings import Settings, load_settings
from pipeline.errors import Misconfigured, Transient
from pipeline.per_record import BUILT
from schemas.topics import BY_NAME, TOPICS

LEAST_FREE_BYTES = 2 << 30  # a demo day and ClickHouse's merges beside it
MOST_SKEW_S = 60.0  # below the hour after which brokers refuse a record as ahead of time
ZONES = ("America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")


class Result(StrEnum):
    OK = "ok"
    FAILED = "failed"
    NOT_NEEDED = "not needed"


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    result: Result
    detail: str


@dataclass(frozen=True, slots=True)
class Place:
    """What is looked at. `running`: a system runs over the data folder, so its own parts must answer."""

    settings: Settings
    environment: Mapping[str, str]
    data: Path
    running: bool

    @property
    def starts_kafka(self) -> bool:
        """`pulse up` would start the broker: nothing needs to answer yet."""
        return not (self.running or self.settings.kafka.external)

    @property
    def starts_clickhouse(self) -> bool:
        return not (self.running or self.settings.clickhouse.external)


Check = Callable[[Place], tuple[Result, str]]


def doctor(
    data: Annotated[Path, typer.Option("--data", help="The folder given to `pulse up`.")] = Path(".pulse"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Check settings, Java and Maven, Kafka, ClickHouse, credentials, disk and clock. Exit 1 when one fails."""
    findings = examine(data.absolute(), os.environ)
    healthy = all(finding.result is not Result.FAILED for finding in findings)
    if as_json:
        checks = [asdict(finding) for finding in findings]
        sys.stdout.write(orjson.dumps({"ok": healthy, "checks": checks}).decode() + "\n")
    else:
        _show(findings, Console())
    if not healthy:
        raise typer.Exit(1)


def examine(data: Path, environ: Mapping[str, str]) -> list[Finding]:
    """One finding a check, in order; with settings that cannot be read nothing else can be looked at."""
    remembered = environment_of(data)
    environment = {**environ, **(remembered or {})}
    try:
        settings = load_settings(environ=environment)
    except Misconfigured as error:
        return [Finding("settings", Result.FAILED, error.detail)]
    place = Place(settings, environment, data, running=remembered is not None)
    found = [Finding("settings", Result.OK, "every key is known and has a value of the right form")]
    failed: set[str] = set()
    for name, check, after in CHECKS:
        if after in failed:
            finding = Finding(name, Result.FAILED, f"not looked at, because {after} failed")
        else:
            try:
                finding = Finding(name, *check(place))
            except (Misconfigured, Transient) as error:
                finding = Finding(name, Result.FAILED, error.detail)
        if finding.result is Result.FAILED:
            failed.add(name)
        found.append(finding)
    return found


def _java(place: Place) -> tuple[Result, str]:
    if place.settings.kafka.external:
        return Result.NOT_NEEDED, "the brokers run elsewhere"
    path, version = find_java()
    return Result.OK, f"{path}: {version.splitlines()[0]}"


def _maven(place: Place) -> tuple[Result, str]:
    if place.settings.kafka.external:
        return Result.NOT_NEEDED, "the brokers run elsewhere"
    if next(cache_directory().glob("kafka-*/*/libs"), None) is not None:
        return Result.NOT_NEEDED, f"Kafka's jars are in {cache_directory()}"
    return Result.OK, str(find_maven())


def _kafka(place: Place) -> tuple[Result, str]:
    if place.starts_kafka:
        return Result.NOT_NEEDED, "`pulse up` starts a broker of its own"
    describe(place.settings, [TOPICS[0].name])
    return Result.OK, place.settings.kafka.bootstrap_servers


def _topics(place: Place) -> tuple[Result, str]:
    if place.starts_kafka:
        return Result.NOT_NEEDED, "`pulse up` makes them"
    settings = place.settings
    found = describe(settings, BY_NAME)
    missing = [name for name in BY_NAME if name not in found]
    if missing:
        return Result.FAILED, f"missing: {', '.join(missing)}; run `pulse migrate`"
    wrong = {
        name: len(topic.partitions) for name, topic in found.items() if len(topic.partitions) != settings.partitions
    }
    if wrong:
        counts = ", ".join(f"{name} has {count}" for name, count in wrong.items())
        return Result.FAILED, f"partitions is {settings.partitions}, but {counts}; a topic keeps its partitions"
    drift = config_drift(settings, TOPICS)
    if drift:
        keys = ", ".join(f"{name} ({', '.join(keys)})" for name, keys in drift.items())
        return Result.FAILED, f"settings differ: {keys}; run `pulse migrate`"
    return Result.OK, f"{len(found)} topics of {settings.partitions} partitions"


def _clickhouse(place: Place) -> tuple[Result, str]:
    if place.starts_clickhouse:
        return Result.NOT_NEEDED, "`pulse up` starts one of its own"
    with connected(place.settings, database=False) as client:
        version, now_s = client.query("SELECT version(), toUnixTimestamp(now())").result_rows[0]
    skew_s = abs(time.time() - now_s)
    if skew_s > MOST_SKEW_S:
        return Result.FAILED, f"its clock and ours are {skew_s:.0f} s apart; set both by NTP"
    return Result.OK, f"{place.settings.clickhouse.host}:{place.settings.clickhouse.port}, version {version}"


def _migrations(place: Place) -> tuple[Result, str]:
    if place.starts_clickhouse:
        return Result.NOT_NEEDED, "`pulse up` applies them"
    outstanding = pending(place.settings)
    if outstanding:
        return Result.FAILED, f"not applied: {', '.join(outstanding)}; run `pulse migrate`"
    return Result.OK, "all applied"


def _google_ads(place: Place) -> tuple[Result, str]:
    google_ads = place.settings.google_ads
    if not google_ads.enabled:
        return Result.NOT_NEEDED, "google_ads.enabled is false"
    accounts = ", ".join(google_ads.accounts) or "every account the login reaches"
    return Result.OK, f"client {google_ads.client_id}, secret {MASK}, refresh token {MASK}; reads {accounts}"


def _disk(place: Place) -> tuple[Result, str]:
    existing = next(path for path in (place.data, *place.data.parents) if path.exists())
    free_bytes = shutil.disk_usage(existing).free
    said = f"{free_bytes / (1 << 30):.1f} GiB free at {existing}"
    if not os.access(existing, os.W_OK):
        return Result.FAILED, f"{existing} cannot be written; give --data another folder"
    return (Result.OK if free_bytes >= LEAST_FREE_BYTES else Result.FAILED), said


def _clock(place: Place) -> tuple[Result, str]:
    clock = Clock.from_environment(place.environment)
    try:
        for zone in ZONES:
            ZoneInfo(zone)
    except ZoneInfoNotFoundError as error:
        return Result.FAILED, f"{error}; install the package tzdata"
    instant = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(clock.now_ms() / 1000))
    return Result.OK, f"{instant}, speed {clock.speed:g}"


def _counting(_: Place) -> tuple[Result, str]:
    if BUILT:
        return Result.OK, "what is touched for every event runs in C"
    return (
        Result.NOT_NEEDED,
        "in Python, several times slower; for C, install a compiler and run `make clean install`",
    )


# Name, check, and the check without whose success it would only wait for nothing.
CHECKS: tuple[tuple[str, Check, str], ...] = (
    ("java", _java, ""),
    ("maven", _maven, ""),
    ("kafka", _kafka, ""),
    ("topics", _topics, "kafka"),
    ("clickhouse", _clickhouse, ""),
    ("migrations", _migrations, "clickhouse"),
    ("google_ads", _google_ads, ""),
    ("disk", _disk, ""),
    ("clock", _clock, ""),
    ("counting", _counting, ""),
)
_COLOURS = {Result.OK: "green", Result.FAILED: "bold red", Result.NOT_NEEDED: "dim"}


def _show(findings: list[Finding], console: Console) -> None:
    table = Table()
    for heading in ("check", "result", "detail"):
        table.add_column(heading)
    for finding in findings:
        colour = _COLOURS[finding.result]
        table.add_row(finding.check, f"[{colour}]{finding.result}[/{colour}]", finding.detail)
    console.print(table)
