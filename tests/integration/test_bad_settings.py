"""A process refuses to start on a wrong configuration: which key, what is expected, what was found; exit 78."""

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.alerts.metric import METRICS
from tests.system import PROGRAM


def refused(directory: Path, arguments: list[str], **environ: str) -> str:
    """What the process says when it refuses to start."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PULSE_", "KAFKA_"))}
    ended = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=directory,
        env={**inherited, "PYTHONPATH": str(Path(__file__).parents[2]), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (78, "")
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.mark.parametrize("command", [["worker"], ["sink"], ["connect", "events"], ["connect", "google-ads"], ["up"]])
def test_a_wrong_setting_is_refused_with_key_expectation_and_finding(tmp_path: Path, command: list[str]) -> None:
    said = refused(tmp_path, command, PULSE_PARTITIONS="many")
    assert said == 'pulse: PULSE_PARTITIONS: expected a whole number, found "many".\n'


def test_a_misspelt_setting_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    said = refused(tmp_path, ["worker"], PULSE_WORKER__SESION_S="3")
    assert "PULSE_WORKER__SESION_S is not a setting; did you mean PULSE_WORKER__SESSION_S?" in said


def test_a_secret_of_the_wrong_form_is_masked(tmp_path: Path) -> None:
    (tmp_path / "pulse.toml").write_text('[kafka]\nsasl_password = ["hunter2"]\n')
    said = refused(tmp_path, ["worker"])
    assert "kafka.sasl_password" in said
    assert "found ***" in said
    assert "hunter2" not in said


def test_a_missing_credential_is_named_and_the_given_ones_are_not_shown(tmp_path: Path) -> None:
    said = refused(
        tmp_path, ["connect", "google-ads"], PULSE_GOOGLE_ADS__ENABLED="true", PULSE_GOOGLE_ADS__CLIENT_SECRET="hunter2"
    )
    assert "PULSE_GOOGLE_ADS__REFRESH_TOKEN" in said
    assert "PULSE_GOOGLE_ADS__CLIENT_SECRET" not in said
    assert "hunter2" not in said


RULE = '[[rule]]\nid = "mine"\nkind = "threshold"\nseverity = "low"\nmetric = "{}"\nabove = {}\n'


def test_a_rule_on_an_unknown_metric_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULE.format("ctrr", 5))
    said = refused(tmp_path, ["worker"], PULSE_WORKER__RULES_FILE=str(tmp_path / "rules.toml"))
    assert "rule 'mine': metric: 'ctrr' is not known" in said
    assert all(str(metric) in said for metric in METRICS)


def test_a_rule_that_can_never_fire_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULE.format("ctr", 250))
    said = refused(tmp_path, ["worker"], PULSE_WORKER__RULES_FILE=str(tmp_path / "rules.toml"))
    assert "rule 'mine': ctr is a percentage, never above 250" in said


def test_a_rules_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    said = refused(tmp_path, ["worker"], PULSE_WORKER__RULES_FILE=str(tmp_path / "none.toml"))
    assert f"worker.rules_file is {tmp_path / 'none.toml'}" in said
