"""`pulse up` as a person starts it: shows totals and alerts, ends cleanly, goes on where it stopped."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.system import PROGRAM


def start(data: Path, *options: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PULSE_", "KAFKA_"))}
    return subprocess.Popen(
        [*PROGRAM, "up", "--data", str(data), *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=data.parent,
    )


def left_behind(data: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "pid"]):
        words = " ".join(process.info["cmdline"] or [])
        if str(data) in words and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
            found.append(words[:120])
    return found


def status(data: Path) -> dict[str, Any]:
    done = subprocess.run(
        [*PROGRAM, "status", "--data", str(data), "--json"], capture_output=True, text=True, timeout=30, check=False
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"exit": done.returncode}


@pytest.mark.timeout(240)
def test_a_limited_run_reports_what_it_did_and_a_second_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    summaries = []
    for _ in range(2):
        running = start(data, "--duration", "12s", "--json")
        out, err = running.communicate(timeout=110)
        assert running.returncode == 0, err
        summaries.append(json.loads(out.splitlines()[-1]))
        assert len(out.splitlines()) == 1
        assert left_behind(data) == []
    first, second = summaries
    for summary in summaries:
        assert set(summary) >= {
            "records_in",
            "totals_out",
            "alerts",
            "dead_letters",
            "clickhouse_rows",
            "latency_ms",
            "verify",
        }
        verify = summary["verify"]
        assert (verify["lost"], verify["duplicated"], verify["drift_micros"]) == (0, 0, 0)
        assert verify["checked"] > 1000
        assert summary["latency_ms"]["p50"] < 1000
    assert first["alerts"]["alerts.budget"] > 0
    assert second["records_in"] > first["records_in"]
    assert second["clickhouse_rows"]["campaigns"] == first["clickhouse_rows"]["campaigns"] > 0


@pytest.mark.timeout(120)
def test_ctrl_c_ends_everything_within_ten_seconds(tmp_path: Path) -> None:
    data = tmp_path / "data"
    running = start(data)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = status(data)
        if found["running"] and found["exit"] == 0:
            break
        time.sleep(0.5)
    assert (found["running"], found["exit"]) == (True, 0), found
    assert set(found["addresses"]) >= {"kafka", "clickhouse", "intake", "simulator"}
    assert {part["name"] for part in found["parts"]} >= {
        "kafka",
        "clickhouse",
        "worker-1",
        "worker-2",
        "sink",
        "intake",
    }
    refused = subprocess.run(
        [*PROGRAM, "up", "--data", str(data)], capture_output=True, text=True, timeout=30, check=False
    )
    assert refused.returncode == 78
    assert "pulse down" in refused.stderr
    started = time.monotonic()
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=15)
    assert time.monotonic() - started < 10
    assert left_behind(data) == []
    assert status(data)["running"] is False
