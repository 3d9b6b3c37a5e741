"""20,000 real impressions and 92 real clicks, from their files to ClickHouse: totals equal the files' own counts."""

import csv
import gzip
import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.system import PROGRAM, System, system

ROOT = Path(__file__).parents[2]
FILES = ("random_men", "random_women")
Counts = Counter[tuple[str, str, int, str]]  # campaign, creative ("" for the campaign), hour (Unix s), measure


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with system(tmp_path_factory.mktemp("real")) as running:
        running.workers(2)
        running.start("sink", "sink")
        first, second = read_files(running)
        assert (first["rows"], second["rows"], first["rejected"], second["rejected"]) == (10_000, 10_000, 0, 0)
        assert first["events"] + second["events"] == 20_092
        yield running


def read_files(running: System, *options: str) -> list[dict[str, Any]]:
    results = []
    for name in FILES:
        path = ROOT / "tests/data/obd" / f"{name}.csv.gz"
        done = subprocess.run(
            [
                *PROGRAM,
                "connect",
                "file",
                str(path),
                "--mapping",
                str(ROOT / "infra/mappings/obd.toml"),
                "--json",
                *options,
            ],
            env={**os.environ, **running.environment},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        results.append(json.loads(done.stdout.splitlines()[-1]))
    running.drain()
    return results


def own_counts() -> Counts:
    """By campaign and creative and hour, counted from the files with nothing of ours."""
    counts: Counts = Counter()
    for name in FILES:
        with gzip.open(ROOT / "tests/data/obd" / f"{name}.csv.gz", "rt") as file:
            for row in csv.DictReader(file):
                hour = int(datetime.fromisoformat(row["timestamp"]).timestamp()) // 3600 * 3600
                for creative in ("", row["item_id"]):
                    counts[name, creative, hour, "impressions"] += 1
                    counts[name, creative, hour, "clicks"] += int(row["click"])
    return +counts


def stored_counts(running: System) -> Counts:
    counts: Counts = Counter()
    for table in ("totals", "creative_totals"):
        rows = running.sql(
            f"SELECT campaign_id, ad_id, toUnixTimestamp(start) AS hour, impressions, clicks FROM {table} FINAL "
            "WHERE window = '1h' AND basis = 'counted'"
        )
        for row in rows:
            for measure in ("impressions", "clicks"):
                counts[row["campaign_id"], row["ad_id"], row["hour"], measure] += row[measure]
    return +counts


def test_the_totals_equal_the_counts_of_the_files(running: System) -> None:
    stored = stored_counts(running)
    assert stored == own_counts()
    assert sum(n for (_, creative, _, name), n in stored.items() if name == "clicks" and not creative) == 92
    found = running.verify()
    assert (found["lost"], found["duplicated"], found["differences"]) == (0, 0, [])


@pytest.mark.parametrize("options", [(), ("--again",)], ids=["a finished file", "from the start, again"])
def test_reading_the_files_again_changes_nothing(running: System, options: tuple[str, ...]) -> None:
    results = read_files(running, *options)
    assert [result["events"] > 0 for result in results] == [bool(options)] * 2
    assert stored_counts(running) == own_counts()
    found = running.verify()
    assert (found["lost"], found["duplicated"], found["differences"]) == (0, 0, [])
