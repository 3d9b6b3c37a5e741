"""Nothing is left for later, no name says nothing, and no module reads the environment behind the settings' back."""

import ast
import re
from pathlib import Path

from tests.contract.generated import ROOT

PACKAGES = ("schemas", "pipeline", "connectors", "agents")
PRODUCT = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted(path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))
LEFT_FOR_LATER = re.compile(r"\b(?:TODO|FIXME|XXX|HACK|NotImplementedError|for now|in a real)\b")
SAYS_NOTHING = re.compile(r"(^|/)(utils?|helpers?|common|misc|managers?|base_\w+)(\.py|/)")
MAY_NOT_RUN = re.compile(r"pytest\.(mark\.)?(skip|skipif|xfail|importorskip)\b")
# Who may look at the environment: the settings, what hands it on to processes, and where to find Java and the cache.
ENVIRONMENT_READERS = re.compile(
    r"^(connectors/(settings|clock)\.py|connectors/local/.*|agents/cli/.*|agents/local_stack\.py)$"
)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def found(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    """`file:line: the line` wherever the pattern occurs."""
    return [
        f"{named(path)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]


def test_nothing_is_left_for_later() -> None:
    assert found(LEFT_FOR_LATER, PRODUCT) == []


def test_every_test_runs() -> None:
    assert found(MAY_NOT_RUN, TESTS) == []


def test_every_file_is_named_for_what_it_holds() -> None:
    assert [named(path) for path in (*PRODUCT, *TESTS) if SAYS_NOTHING.search(named(path))] == []


def test_only_the_edges_read_the_environment() -> None:
    readers = {named(path) for path in PRODUCT if re.search(r"\bos\.(environ|getenv)\b", path.read_text())}
    assert [path for path in sorted(readers) if not ENVIRONMENT_READERS.match(path)] == []


def test_every_module_says_what_it_is() -> None:
    texts = {named(path): path.read_text() for path in PRODUCT}
    assert [path for path, text in texts.items() if text.strip() and not ast.get_docstring(ast.parse(text))] == []
