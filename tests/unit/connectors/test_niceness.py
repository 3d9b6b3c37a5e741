"""Who gives way gives way to other sessions too, where processors are shared out by sessions."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = (
    "import os; from pathlib import Path; from connectors.niceness import give_way\n"
    "give_way(7)\n"
    "group = Path('/proc/self/autogroup')\n"
    "print(os.nice(0), group.read_text().split()[-1] if group.exists() else None)"
)


@pytest.mark.parametrize("leads", [True, False])
def test_a_process_gives_way_and_its_session_only_where_it_leads_one(leads: bool) -> None:
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, start_new_session=leads
    ).stdout.split()
    group = Path("/proc/self/autogroup")
    of_session = group.read_text().split()[-1] if group.exists() else "None"
    assert said[0] == str(os.nice(0) + 7)
    assert said[1] == ("7" if leads and group.exists() else of_session)
