"""The part in C does not get dearer unseen: executions of its lines stay within 5 % of what is accepted."""

import shutil
from pathlib import Path

import pytest

from tests.contract import c_operations as c
from tests.contract import core_operations as core

# A compiler nobody has taken figures with tells lines apart in another way, but not so much.
OTHER_COMPILER = 0.5


@pytest.fixture(scope="module")
def figures() -> dict[str, float]:
    return c.figures()


def accepted() -> dict[str, dict[str, float]]:
    return {what: costs for what, costs in core.accepted().items() if not what[0].isdigit()}


@pytest.mark.parametrize("work", c.WORKS)
def test_c_costs_what_is_accepted(figures: dict[str, float], work: str) -> None:
    assert all(set(costs) == set(c.WORKS) for costs in accepted().values()), f"run {core.UPDATE}"
    mine = accepted().get(c.compiler())
    if not c.compiler():
        assert figures == {}  # nothing is built in C here either
    elif mine is not None:
        assert not core.complaint(work, figures[work], mine[work])
    else:
        most = max(costs[work] for costs in accepted().values())
        assert figures[work] <= most * (1 + OTHER_COMPILER), f"run {core.UPDATE}"


def test_a_line_that_is_run_twice_is_seen(figures: dict[str, float], tmp_path: Path) -> None:
    if not c.compiler():
        assert figures == {}
        return
    changed = tmp_path / "native_c"
    shutil.copytree(c.MODULE.parent, changed)
    source = changed / "fetched.h"
    taken = "next_offset = head.next_offset;"
    assert taken in source.read_text()
    source.write_text(source.read_text().replace(taken, f"checksum_by_table(p, head.size); {taken}"))
    folder = tmp_path / "built"
    folder.mkdir()
    dearer = c.figure("c_fetched_event", c.build(folder, changed / "module.c"))
    assert "make it cheaper" in core.complaint("c_fetched_event", dearer, figures["c_fetched_event"])
