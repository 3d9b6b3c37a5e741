"""The walk through the code names files that exist."""

import re

from tests.contract.generated import ROOT

PATH = re.compile(r"`((?:schemas|pipeline|connectors|agents|infra|tests)/[\w./-]+)`")


def test_every_file_that_the_architecture_names_exists() -> None:
    named = PATH.findall((ROOT / "infra/ARCHITECTURE.md").read_text()) + PATH.findall((ROOT / "README.md").read_text())
    for decision in (ROOT / "infra/decisions").glob("*.md"):
        named += PATH.findall(decision.read_text())
    assert len(named) > 40
    assert [path for path in named if not (ROOT / path).exists()] == []
