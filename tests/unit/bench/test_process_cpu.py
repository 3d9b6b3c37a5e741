"""CPU of a process tree: what children spent counts after they ended, waited for or not."""

import subprocess
import sys
import time

import pytest

from tests.bench.peer_run import end
from tests.bench.process_cpu import ended, usage

BURN = "import time\nwhile time.process_time() < 0.4: pass\n"
READY = "print(flush=True)\nimport time; time.sleep(60)"
WAITED = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN!r}])\n{READY}"
# The middle process ends at once; its child becomes an orphan.
MIDDLE = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BURN!r}])"
ORPHANED = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {MIDDLE!r}])\n{READY}"
# In a process of its own: the tests' process must not adopt orphans for the rest of its life.
MEASURED = """
import subprocess, sys, time
from tests.bench.peer_run import end
from tests.bench.process_cpu import keep_orphans, usage
keep_orphans()
process = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, start_new_session=True)
process.stdout.readline()
deadline = time.monotonic() + 20
while (spent := usage([process.pid]).cpu_s) < 0.35 and time.monotonic() < deadline:
    time.sleep(0.05)
end(process)
print(spent)
"""


@pytest.mark.parametrize("code", [WAITED, ORPHANED], ids=["waited for", "orphaned"])
def test_what_ended_children_spent_counts(code: str) -> None:
    command = [sys.executable, "-c", MEASURED, code]
    ended_well = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert 0.35 <= float(ended_well.stdout) < 5


def test_an_ended_process_keeps_its_time_until_it_is_waited_for() -> None:
    process = subprocess.Popen([sys.executable, "-c", BURN], start_new_session=True)
    deadline = time.monotonic() + 20
    while not ended(process.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert usage([process.pid]).cpu_s >= 0.35  # two fields, each rounded down to hundredths
    end(process)
    assert usage([process.pid]).cpu_s == 0


def test_ending_takes_the_whole_group_even_when_it_ignores_the_signal() -> None:
    code = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{READY}"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    end(process)
    process.stdout.close()
    assert process.returncode == -9
