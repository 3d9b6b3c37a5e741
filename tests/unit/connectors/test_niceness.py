"""Who gives way gives way to other sessions too, where processors are shared out by sessions."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from connectors import niceness

GIVES_WAY = "from connectors.niceness import give_way\ngive_way(7)\n"
SAYS = (
    "import os; from pathlib import Path\n"
    "group = Path('/proc/self/autogroup')\n"
    "said = group.read_text().split() if group.exists() else []\n"
    "print(os.nice(0), said[-1] if said else 'nothing')"
)


def _said(program: str, *, leads: bool) -> list[str]:
    """The niceness a process of this program sees: its own, and that of its session. `nothing` on another kernel, and
    for a session that is in no group: one begun in a container may be in one where the container's first is not."""
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, start_new_session=leads
    ).stdout.split()


@pytest.mark.parametrize("leads", [True, False])
def test_a_process_gives_way_and_its_session_only_where_it_leads_one(leads: bool) -> None:
    process, session = _said(SAYS, leads=leads)
    gave_way = _said(GIVES_WAY + SAYS, leads=leads)
    assert gave_way == [f"{int(process) + 7}", "7" if leads and session != "nothing" else session]


@pytest.mark.parametrize("leads", [True, False])
def test_the_session_is_told_by_the_process_that_leads_it(
    leads: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a kernel that shares out by sessions: what would be written, and where."""
    group = tmp_path / "autogroup"
    group.write_text("")
    monkeypatch.setattr(niceness, "_OF_SESSION", group)
    monkeypatch.setattr(os, "nice", lambda more: more)
    monkeypatch.setattr(os, "getsid", lambda _: os.getpid() if leads else 1)
    niceness.give_way(7)
    assert group.read_text() == ("7" if leads else "")


def test_a_kernel_that_knows_no_such_groups_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(niceness, "_OF_SESSION", tmp_path / "missing" / "autogroup")
    monkeypatch.setattr(os, "nice", lambda more: more)
    monkeypatch.setattr(os, "getsid", lambda _: os.getpid())
    niceness.give_way(7)
