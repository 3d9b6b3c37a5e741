"""One way down: agents -> connectors -> pipeline -> schemas; the core is pure; the packages are ours."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.generated import ROOT

PACKAGES = ("schemas", "pipeline", "connectors", "agents")
# Of what the core may not touch, the parts import-linter cannot see: builtins, and clocks inside allowed modules.
IMPURE_CALLS = frozenset({"open", "input", "print", "exec", "eval"})
IMPURE_METHODS = frozenset({"now", "utcnow", "today"})


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def test_the_import_contracts_hold() -> None:
    ended = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_the_package_that_is_imported_is_ours(package: str) -> None:
    file = importlib.import_module(package).__file__
    assert file is not None
    assert Path(file).parent == ROOT / package


@pytest.mark.parametrize("path", [*modules("pipeline"), *modules("schemas")], ids=lambda path: path.stem)
def test_the_core_reads_no_clock_and_touches_no_file(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    attributes = {call.attr for call in calls if isinstance(call, ast.Attribute)}
    assert not names & IMPURE_CALLS
    assert not attributes & IMPURE_METHODS
