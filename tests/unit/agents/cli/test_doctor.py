"""The doctor: what it says of each part, and that a failed check is an exit code."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from agents.cli import doctor, main
from connectors.local import kafka_jars
from pipeline.codes import MisconfiguredCode, TransientCode
from pipeline.errors import Misconfigured, Transient

ELSEWHERE = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "PULSE_CLICKHOUSE__HOST": "127.0.0.1"}
HUNTER = "hunter2-very-secret"


def away(*_: Any, **__: Any) -> Any:
    raise Transient(TransientCode.BROKER_AWAY, "127.0.0.1:1: refused")


def results(data: Path, environ: dict[str, str]) -> dict[str, tuple[str, str]]:
    return {finding.check: (finding.result.value, finding.detail) for finding in doctor.examine(data, environ)}


@pytest.fixture(autouse=True)
def no_configuration_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_on_a_fresh_machine_nothing_but_java_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "find_java", lambda: (Path("/java"), 'openjdk version "17"\nmore'))
    found = results(tmp_path / ".pulse", {})
    assert [name for name, (result, _) in found.items() if result == "failed"] == []
    assert found["java"] == ("ok", '/java: openjdk version "17"')
    assert found["kafka"][0] == found["migrations"][0] == found["google_ads"][0] == "not needed"
    assert not (tmp_path / ".pulse").exists()


def test_a_wrong_setting_is_the_only_thing_said(tmp_path: Path) -> None:
    found = results(tmp_path, {"PULSE_PARTITON": "4"})
    assert found == {
        "settings": (
            "failed",
            "The environment variable PULSE_PARTITON is not a setting; did you mean PULSE_PARTITIONS?",
        )
    }


def test_a_missing_java_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing() -> tuple[Path, str]:
        raise Misconfigured(MisconfiguredCode.MISSING_PART, "Java was not found; install it.")

    monkeypatch.setattr(doctor, "find_java", missing)
    assert results(tmp_path, {})["java"] == ("failed", "Java was not found; install it.")


def test_a_missing_maven_matters_only_without_jars(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing() -> Path:
        raise Misconfigured(MisconfiguredCode.MISSING_PART, "Maven was not found; install it.")

    monkeypatch.setattr(doctor, "find_maven", missing)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert results(tmp_path, {})["maven"][0] == "failed"
    (kafka_jars.cache_directory() / "kafka-1" / "digest" / "libs").mkdir(parents=True)
    assert results(tmp_path, {})["maven"][0] == "not needed"


def test_what_depends_on_a_part_that_is_away_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "describe", away)
    monkeypatch.setattr(doctor, "connected", away)
    found = results(tmp_path, ELSEWHERE)
    assert found["kafka"] == ("failed", "127.0.0.1:1: refused")
    assert found["topics"] == ("failed", "not looked at, because kafka failed")
    assert found["migrations"] == ("failed", "not looked at, because clickhouse failed")
    assert found["java"][0] == found["maven"][0] == "not needed"


def test_missing_topics_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "connected", away)
    monkeypatch.setattr(doctor, "describe", lambda *_: {})
    result, detail = results(tmp_path, ELSEWHERE)["topics"]
    assert result == "failed"
    assert "totals.v1" in detail
    assert "pulse migrate" in detail


def test_credentials_are_masked(tmp_path: Path) -> None:
    environ = {
        "PULSE_GOOGLE_ADS__ENABLED": "true",
        "PULSE_GOOGLE_ADS__CLIENT_ID": "client-7",
        "PULSE_GOOGLE_ADS__CLIENT_SECRET": HUNTER,
        "PULSE_GOOGLE_ADS__REFRESH_TOKEN": HUNTER,
    }
    result, detail = results(tmp_path, environ)["google_ads"]
    assert result == "ok"
    assert "client-7" in detail
    assert "***" in detail
    assert HUNTER not in detail


def test_a_full_disk_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    assert results(tmp_path, {})["disk"][0] == "failed"


def test_an_unreadable_clock_fails(tmp_path: Path) -> None:
    result, detail = results(tmp_path, {"PULSE_CLOCK": "yesterday"})["clock"]
    assert result == "failed"
    assert "PULSE_CLOCK" in detail


def test_json_says_the_same_and_a_failure_is_exit_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor, "find_java", lambda: (Path("/java"), "17"))
    monkeypatch.setattr(main, "configure_logging", lambda *_, **__: None)
    assert main.run(["doctor", "--json", "--data", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    monkeypatch.setenv("PULSE_CLOCK", "yesterday")
    assert main.run(["doctor", "--json", "--data", str(tmp_path)]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert [check["check"] for check in report["checks"] if check["result"] == "failed"] == ["clock"]
