"""The command line's outermost layer: exit codes, one sentence for a person, and quick help."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer

from agents.cli import main
from connectors.settings import load_settings
from pipeline.codes import BadRecordCode, MisconfiguredCode, TransientCode
from pipeline.errors import BadRecord, Misconfigured, Transient

SENTENCE = "clickhouse.port is wrong; set it to a number."


@pytest.fixture(autouse=True)
def logging_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "configure_logging", lambda *_, **__: None)


def outcome(monkeypatch: pytest.MonkeyPatch, failure: BaseException | None, *arguments: str) -> int:
    """Exit code of a command `probe` that ends with `failure`."""

    def probe(number: int = 0) -> None:
        if failure is not None:
            raise failure

    module = ModuleType("probe_command")
    module.__dict__["probe"] = probe
    monkeypatch.setitem(sys.modules, "probe_command", module)
    monkeypatch.setattr(main, "COMMANDS", (main.Command("probe", "probe_command", "Fails as told."),))
    return main.run(["probe", *arguments])


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (None, 0),
        (typer.Exit(0), 0),
        (typer.Exit(1), 1),
        (SystemExit("something is different"), 1),
        (typer.BadParameter("write 90s"), 2),
        (RuntimeError("oops"), 70),
        (BadRecord(BadRecordCode.MALFORMED), 70),
        (Transient(TransientCode.BROKER_AWAY, "gone"), 75),
        (Misconfigured(MisconfiguredCode.SETTING, SENTENCE), 78),
        (ExceptionGroup("tasks", [Misconfigured(MisconfiguredCode.SETTING, SENTENCE), ValueError("x")]), 78),
        (ExceptionGroup("tasks", [ValueError("x")]), 70),
    ],
)
def test_the_exit_code_says_what_happened(
    monkeypatch: pytest.MonkeyPatch, failure: BaseException | None, code: int
) -> None:
    assert outcome(monkeypatch, failure) == code


def test_wrong_usage_is_2(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome(monkeypatch, None, "--no-such-option") == 2
    assert outcome(monkeypatch, None, "--number", "many") == 2
    assert main.run(["no-such-command"]) == 2


def test_a_configuration_to_mend_is_one_sentence_without_a_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome(monkeypatch, Misconfigured(MisconfiguredCode.SETTING, SENTENCE))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"pulse: {SENTENCE}\n")


def test_a_bug_shows_its_trace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    outcome(monkeypatch, RuntimeError("oops"))
    said = capsys.readouterr().err
    assert "RuntimeError: oops" in said
    assert "Traceback" in said


def test_the_named_file_reaches_the_command_and_the_processes_it_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "other.toml").write_text("partitions = 6")
    seen: list[int] = []
    module = ModuleType("probe_command")
    module.__dict__["probe"] = lambda: seen.append(load_settings().partitions)
    monkeypatch.setitem(sys.modules, "probe_command", module)
    monkeypatch.setenv("PULSE_CONFIG", "")
    monkeypatch.setattr(main, "COMMANDS", (main.Command("probe", "probe_command", "Reads."),))
    assert main.run(["--config", str(tmp_path / "other.toml"), "probe"]) == 0
    assert seen == [6]


def test_help_lists_every_command_and_imports_none() -> None:
    code = (
        "import sys; from agents.cli.main import COMMANDS, run; code = run(['--help']);"
        "loaded = [c.module for c in COMMANDS if c.module in sys.modules];"
        "heavy = [m for m in ('faust', 'pandas', 'clickhouse_connect', 'fastapi') if m in sys.modules];"
        "sys.exit(f'{loaded} {heavy}' if loaded or heavy else code)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert all(command.name in ended.stdout for command in main.COMMANDS)


@pytest.mark.parametrize("command", main.COMMANDS, ids=lambda command: command.name)
def test_every_command_exists_and_explains_itself(command: main.Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([command.name, "--help"]) == 0
    assert command.name in capsys.readouterr().out
