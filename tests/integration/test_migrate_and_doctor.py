"""`pulse migrate` and `pulse doctor` as a person runs them, against a real broker and a real ClickHouse."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.local import kafka_jars
from connectors.local.kafka_broker import KafkaBroker
from schemas.topics import BY_NAME


@pytest.fixture
def empty_broker(kafka_parts: kafka_jars.KafkaJars, tmp_path: Path) -> Iterator[str]:
    """Topics of their real names belong to nobody else here."""
    broker = KafkaBroker(tmp_path / "kafka")
    broker.start()
    broker.wait_ready()
    yield broker.address
    broker.kill()


@pytest.fixture
def environ(empty_broker: str, clickhouse_http: int, unique_name: Callable[[str], str]) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": empty_broker,
        "PULSE_CLICKHOUSE__HOST": "127.0.0.1",
        "PULSE_CLICKHOUSE__PORT": str(clickhouse_http),
        "PULSE_CLICKHOUSE__DATABASE": unique_name("house"),
    }


def pulse(environ: dict[str, str], where: Path, *arguments: str) -> tuple[int, str, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "agents.cli.main", *arguments],
        cwd=where,
        env={**os.environ, **environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    return ended.returncode, ended.stdout, ended.stderr


def failed(report: str) -> dict[str, str]:
    checks: list[dict[str, Any]] = json.loads(report)["checks"]
    return {check["check"]: check["detail"] for check in checks if check["result"] == "failed"}


def test_migrate_makes_everything_once_and_doctor_sees_before_and_after(
    environ: dict[str, str], tmp_path: Path
) -> None:
    code, report, _ = pulse(environ, tmp_path, "doctor", "--json")
    assert (code, set(failed(report))) == (1, {"topics", "migrations"})
    assert "pulse migrate" in failed(report)["topics"]

    code, said, errors = pulse(environ, tmp_path, "migrate", "--json")
    assert code == 0, errors
    done = json.loads(said)
    assert done["topics"] == dict.fromkeys(BY_NAME, "created")
    assert done["migrations"]

    code, report, _ = pulse(environ, tmp_path, "doctor", "--json")
    assert (code, failed(report)) == (0, {})

    code, said, _ = pulse(environ, tmp_path, "migrate", "--json")
    assert (code, json.loads(said)) == (0, {"topics": {}, "migrations": []})

    code, report, _ = pulse({**environ, "PULSE_PARTITIONS": "7"}, tmp_path, "doctor", "--json")
    assert (code, set(failed(report))) == (1, {"topics"})
    code, said, errors = pulse({**environ, "PULSE_PARTITIONS": "7"}, tmp_path, "migrate")
    assert (code, said) == (78, "")
    assert errors.startswith("pulse: partitions is 7, but topic ")
    assert "Traceback" not in errors


def test_doctor_changes_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    first = pulse(environ, tmp_path, "doctor", "--json")[1]
    second = pulse(environ, tmp_path, "doctor", "--json")[1]
    assert failed(first) == failed(second)
    assert not (tmp_path / ".pulse").exists()
