"""The supervisor: it restarts what ends, leaves alone what a person must mend, and ends everything in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from connectors.local import supervisor as supervisor_module
from connectors.local.supervisor import PartState, PartStatus, Supervised, Supervisor
from connectors.local.tether import TetheredProcess
from pipeline.errors import Misconfigured

SLEEP = "import time; time.sleep(60)"


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-S", "-c", code, *arguments]


def until(condition: Callable[[], bool], limit_s: float = 10.0) -> None:
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, "it did not come to that"
        time.sleep(0.01)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(tmp_path / "data") as supervisor:
        yield supervisor


def part(tmp_path: Path, name: str, code: str, *, restart: bool = True) -> Supervised:
    return Supervised(name, python(code), log_file=tmp_path / f"{name}.log", restart=restart)


def status(supervisor: Supervisor, name: str) -> PartStatus:
    return {each.name: each for each in supervisor.status()}[name]


def pid(supervisor: Supervisor, name: str) -> int:
    number = status(supervisor, name).pid
    assert number is not None
    return number


def test_a_killed_child_is_started_again(running: Supervisor, tmp_path: Path) -> None:
    running.start(part(tmp_path, "worker", SLEEP))
    first = status(running, "worker")
    assert (first.state, first.restarts) == (PartState.RUNNING, 0)
    os.kill(pid(running, "worker"), signal.SIGKILL)
    until(lambda: status(running, "worker").restarts == 1)
    second = status(running, "worker")
    assert second.state is PartState.RUNNING
    assert second.pid != first.pid
    assert second.since_ms > first.since_ms
    assert psutil.pid_exists(pid(running, "worker"))


def test_the_pauses_before_restarts_grow_up_to_the_longest(running: Supervisor, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    code = f"import time; open({str(starts)!r}, 'a').write(f'{{time.time()}}\\n')"
    running.start(part(tmp_path, "restless", code))
    until(lambda: starts.exists() and len(starts.read_text().splitlines()) >= 4)
    at_s = [float(line) for line in starts.read_text().splitlines()]
    gaps_s = [later - earlier for earlier, later in pairwise(at_s)]
    assert gaps_s[0] >= 0.2
    assert gaps_s[1] >= 0.4
    assert gaps_s[2] >= 0.8
    assert supervisor_module.BACK_OFF_LAST_S == 5.0


def test_a_misconfigured_child_is_left_down_and_its_sentence_is_shown(running: Supervisor, tmp_path: Path) -> None:
    running.start(part(tmp_path, "sink", "print('Set PULSE_X to a number.', flush=True); raise SystemExit(78)"))
    until(lambda: status(running, "sink").state is PartState.MISCONFIGURED)
    time.sleep(0.4)
    failed = running.failures()
    assert [(each.name, each.restarts) for each in failed] == [("sink", 0)]
    assert failed[0].detail == "exit code 78\nSet PULSE_X to a number."


def test_a_part_that_may_end_is_not_started_again(running: Supervisor, tmp_path: Path) -> None:
    running.start(part(tmp_path, "import", "pass", restart=False))
    until(lambda: status(running, "import").state is PartState.ENDED)
    time.sleep(0.4)
    assert status(running, "import").restarts == 0
    assert running.failures() == []


def test_a_part_that_is_stopped_alone_stays_down(running: Supervisor, tmp_path: Path) -> None:
    running.start(part(tmp_path, "worker", SLEEP))
    number = pid(running, "worker")
    running.stop_part("worker")
    time.sleep(0.4)
    assert status(running, "worker").state is PartState.STOPPED
    assert not psutil.pid_exists(number)


def test_two_parts_of_one_name_are_refused(running: Supervisor, tmp_path: Path) -> None:
    running.start(part(tmp_path, "worker", SLEEP))
    with pytest.raises(ValueError, match="worker"):
        running.start(part(tmp_path, "worker", SLEEP))


ORDER = """
import signal, sys, time
def leave(*_):
    open({order!r}, "a").write({name!r} + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("up", flush=True)
while True: time.sleep(0.01)
"""


def test_servers_end_after_all_processes_and_the_stubborn_are_killed(tmp_path: Path) -> None:
    order = tmp_path / "order"
    supervisor = Supervisor(tmp_path / "data")
    supervisor.open()
    server = TetheredProcess(python(ORDER.format(order=str(order), name="server")), log_file=tmp_path / "server.log")
    supervisor.adopt("server", server)
    supervisor.start(part(tmp_path, "worker", ORDER.format(order=str(order), name="worker")))
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\n"
    supervisor.start(part(tmp_path, "stubborn", stubborn + "while True: time.sleep(0.05)"))
    logs = [tmp_path / f"{name}.log" for name in ("server", "worker", "stubborn")]
    until(lambda: all("up" in log.read_text() for log in logs))
    pids = [each.pid for each in supervisor.status()]
    begin_s = time.monotonic()
    supervisor.stop(limit_s=2.0)
    took_s = time.monotonic() - begin_s
    assert order.read_text().split() == ["worker", "server"]
    assert 1.0 <= took_s < 2.5
    assert not any(psutil.pid_exists(number) for number in pids if number)
    assert {each.state for each in supervisor.status()} == {PartState.STOPPED}
    supervisor.stop()


def test_a_second_system_over_the_same_directory_is_refused(running: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="pulse down"):
        Supervisor(tmp_path / "data").open()


PARENT = """
import sys, time
from pathlib import Path
from connectors.local.supervisor import Supervised, Supervisor
directory = Path(sys.argv[1])
supervisor = Supervisor(directory)
supervisor.open()
for name in ("a", "b"):
    argv = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
    supervisor.start(Supervised(name, argv, log_file=directory / f"{name}.log"))
print(*(each.pid for each in supervisor.status()), flush=True)
time.sleep(60)
"""


def test_children_die_with_a_killed_supervisor_and_the_directory_is_free_again(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(directory)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    children = [psutil.Process(int(number)) for number in parent.stdout.readline().split()]
    assert len(children) == 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: all(not c.is_running() or c.status() == psutil.STATUS_ZOMBIE for c in children), limit_s=3)
    with Supervisor(directory) as next_one:
        assert next_one.status() == []
