"""`pulse bench`: runs the checkout's bench with what it was told; says what is missing where there is no checkout."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents.cli import bench, main


def test_outside_of_a_checkout_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "CHECKOUT", tmp_path)
    assert main.run(["bench"]) == main.MISCONFIGURED
    assert "run it from a checkout" in capsys.readouterr().err


def test_options_go_on_and_the_exit_code_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def ran(command: list[str], **_: Any) -> SimpleNamespace:
        seen.append(command)
        return SimpleNamespace(returncode=1)

    monkeypatch.setattr(subprocess, "run", ran)
    options = ["--only", "ours,c_floor", "--rounds", "2", "--campaigns", "7", "--cold", "9"]
    assert main.run(["bench", "--quick", "--json", *options]) == 1
    assert seen[0][1:] == ["-m", "tests.bench", "--quick", "--json", *options]


def test_an_unknown_system_is_named_and_the_known_ones_are_listed() -> None:
    command = ["bench", "--only", "storm"]
    ended = subprocess.run(
        [sys.executable, "-m", "agents.cli.main", *command], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert '"storm" is not a system; there are ours' in ended.stderr
