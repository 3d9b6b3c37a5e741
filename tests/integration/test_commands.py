"""`pulse` as a person runs it: in a folder where nothing runs, and beside a system of somebody else."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agents.cli.main import COMMANDS
from connectors.kafka_admin import admin
from connectors.lag import committed_offsets
from schemas.topics import RAW_EVENTS
from tests.google_rows import GoogleRows
from tests.system import PROGRAM, System, system

NOON_MS = 1_795_176_000_000


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        (line,) = self.out.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found


def pulse(where: Path, *arguments: str, **environ: str) -> Ended:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PULSE_", "KAFKA_"))}
    ended = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=where,
        env={**inherited, "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "200", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert "Traceback" not in ended.stderr
    return Ended(ended.returncode, ended.stdout, ended.stderr)


# -- nothing runs ------------------------------------------------------------------------------------------------------


def test_help_names_every_command_and_comes_at_once(tmp_path: Path) -> None:
    started = time.monotonic()
    ended = pulse(tmp_path, "--help")
    assert time.monotonic() - started < 10
    assert (ended.code, ended.err) == (0, "")
    assert all(command.name in ended.out and command.help.split(";")[0] in ended.out for command in COMMANDS)


def test_pulse_alone_shows_the_help(tmp_path: Path) -> None:
    assert "Usage" in pulse(tmp_path).out


def test_an_unknown_command_is_wrong_usage(tmp_path: Path) -> None:
    ended = pulse(tmp_path, "start")
    assert (ended.code, "start" in ended.err) == (2, True)


def test_status_says_that_nothing_runs_and_exits_1(tmp_path: Path) -> None:
    ended = pulse(tmp_path, "status", "--json")
    expected = {"running": False, "data": str(tmp_path / ".pulse"), "addresses": {}, "parts": [], "lag": {}}
    assert (ended.code, ended.json()) == (1, expected)
    told = pulse(tmp_path, "status")
    assert (told.code, "nothing runs over" in told.out, "pulse up" in told.out) == (1, True, True)


def test_down_where_nothing_runs_is_no_failure_and_makes_no_folder(tmp_path: Path) -> None:
    ended = pulse(tmp_path, "down", "--data", "elsewhere")
    assert (ended.code, ended.out) == (0, "")
    assert "nothing runs over elsewhere" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_addresses_that_a_killed_system_left_do_not_pass_for_a_running_one(tmp_path: Path) -> None:
    left = {"addresses": {"kafka": "127.0.0.1:1", "clickhouse": "http://127.0.0.1:1"}, "clock": "0,0,1", "workers": 2}
    (tmp_path / ".pulse").mkdir()
    (tmp_path / ".pulse" / "addresses.json").write_text(json.dumps(left))
    ended = pulse(tmp_path, "status", "--json")
    assert (ended.code, ended.json()["running"]) == (1, False)


# -- beside a system ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with system(tmp_path_factory.mktemp("commands"), {"PULSE_WORKER__SESSION_S": "3"}) as made:
        made.workers(1)
        made.start("sink", "sink")
        rows = GoogleRows()
        for number in range(5):
            rows.day(f"70000{number}", "2026-11-20", at_ms=NOON_MS, spend_micros=5_000_000)
        rows.complete("campaign_day", "2026-11-20", "2026-11-20", at_ms=NOON_MS)
        made.produce(rows.take())
        made.drain()
        yield made


def beside(running: System, where: Path, *arguments: str) -> Ended:
    """A command whose settings name the parts of the system, in a folder that is not the system's."""
    own = {name: value for name, value in running.environment.items() if name != "PULSE_DATA_DIR"}
    return pulse(where, *arguments, **own, PULSE_CLICKHOUSE__HOST="127.0.0.1")


def test_doctor_finds_a_whole_system_well_and_changes_nothing(running: System, tmp_path: Path) -> None:
    ended = beside(running, tmp_path, "doctor", "--json")
    found = ended.json()
    assert (ended.code, found["ok"]) == (0, True), found
    results = {check["check"]: check["result"] for check in found["checks"]}
    assert "failed" not in results.values()
    assert {name: results[name] for name in ("settings", "kafka", "topics", "migrations")} == dict.fromkeys(
        ("settings", "kafka", "topics", "migrations"), "ok"
    )
    assert list(tmp_path.iterdir()) == []


def test_migrate_beside_a_running_system_changes_nothing(running: System, tmp_path: Path) -> None:
    for _ in range(2):
        ended = beside(running, tmp_path, "migrate", "--json")
        assert (ended.code, ended.json()) == (0, {"topics": {}, "migrations": []})


def test_verify_agrees_with_one_object_on_stdout(running: System, tmp_path: Path) -> None:
    found = beside(running, tmp_path, "verify", "--json", "--wait", "0s").json()
    assert (found["ok"], found["checked"], found["lost"], found["duplicated"], found["drift_micros"]) == (
        True, 5, 0, 0, 0,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [[], ["--rebuild"]], ids=["replay", "rebuild"])
def test_replay_is_refused_while_a_worker_runs_that_is_not_ours_to_stop(
    running: System, tmp_path: Path, arguments: list[str]
) -> None:
    before = committed(running)
    ended = beside(running, tmp_path, "replay", "--json", *arguments)
    assert (ended.code, ended.out) == (78, "")
    assert f"workers of group {running.settings.worker.group} are running; stop them first" in ended.err
    assert committed(running) == before
    assert running.pid("worker-1") is not None
    assert list(tmp_path.iterdir()) == []


def committed(running: System) -> dict[tuple[str, int], int]:
    return committed_offsets(admin(running.settings), running.settings.worker.group, [RAW_EVENTS], 4)


def test_dead_letters_where_there_are_none(running: System, tmp_path: Path) -> None:
    assert beside(running, tmp_path, "dead-letters", "list", "--json").json()["total"] == 0
    shown = beside(running, tmp_path, "dead-letters", "show", "raw.events.v1/0/7")
    assert (shown.code, "There is no dead letter raw.events.v1/0/7" in shown.err) == (1, True)
    assert beside(running, tmp_path, "dead-letters", "show", "7").code == 2
