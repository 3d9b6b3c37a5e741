"""Child processes: they hear us, they leave a log, and they do not outlive us."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from connectors.local.tether import LOG_LIMIT_BYTES, TetheredProcess

SLEEPER = [sys.executable, "-S", "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    *SLEEPER[:3],
    "import signal, time; signal.signal(signal.SIGTERM, lambda *_: print('no', flush=True)); print('up', flush=True)\n"
    "while True: time.sleep(0.05)",
]
Start = Callable[[list[str]], TetheredProcess]


def until(condition: Callable[[], bool], limit_s: float = 10.0) -> None:
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, "it did not come to that"
        time.sleep(0.01)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[TetheredProcess] = []

    def begin(argv: list[str]) -> TetheredProcess:
        process = TetheredProcess(argv, log_file=tmp_path / "logs" / "child.log")
        started.append(process)
        process.start()
        until(lambda: "up" in process.log_tail())
        return process

    yield begin
    for process in started:
        process.kill()


def test_a_child_ends_at_sigterm(start: Start) -> None:
    child = start(SLEEPER)
    assert (child.alive, child.exit_code) == (True, None)
    child.stop(5)
    assert (child.alive, child.exit_code) == (False, -signal.SIGTERM)


def test_a_child_that_will_not_end_is_killed_after_the_limit(start: Start) -> None:
    child = start(STUBBORN)
    child.stop(0.3)
    assert child.exit_code == -signal.SIGKILL
    assert "no" in child.log_tail()


def test_a_paused_child_can_be_stopped(start: Start) -> None:
    child = start(SLEEPER)
    child.pause()
    until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_STOPPED)
    child.stop(5)
    assert child.exit_code == -signal.SIGTERM


def test_a_paused_child_goes_on_after_resume(start: Start) -> None:
    child = start(SLEEPER)
    child.pause()
    until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_STOPPED)
    child.resume()
    until(lambda: psutil.Process(child.pid).status() != psutil.STATUS_STOPPED)


def test_kill_takes_the_childs_own_children_too(start: Start) -> None:
    nested = f"import subprocess; p = subprocess.Popen({SLEEPER!r}); print('up', flush=True); p.wait()"
    child = start([*SLEEPER[:3], nested])
    until(lambda: len(psutil.Process(child.pid).children()) == 1)
    grandchild = psutil.Process(child.pid).children()[0]
    child.kill()
    until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


def test_the_tail_of_the_log_is_that_of_the_last_start(start: Start, tmp_path: Path) -> None:
    child = start([*SLEEPER[:3], "print('up'); print('first')"])
    assert child.wait(5)
    again = start([*SLEEPER[:3], "print('up'); print('second')"])
    assert again.wait(5)
    assert again.log_tail() == "up\nsecond"
    assert "first" in again.log_file.read_text()


def test_a_log_that_has_grown_large_is_set_aside_at_a_start(start: Start, tmp_path: Path) -> None:
    log_file = tmp_path / "logs" / "child.log"
    log_file.parent.mkdir()
    with log_file.open("wb") as log:
        log.truncate(LOG_LIMIT_BYTES + 1)
    start(SLEEPER)
    assert log_file.stat().st_size < 100
    assert (tmp_path / "logs" / "child.log.1").stat().st_size == LOG_LIMIT_BYTES + 1


def test_a_program_that_is_not_there_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        TetheredProcess([str(tmp_path / "nothing")], log_file=tmp_path / "log").start()


def test_a_second_start_of_a_running_child_is_refused(start: Start) -> None:
    child = start(SLEEPER)
    with pytest.raises(RuntimeError, match="runs already"):
        child.start()


def test_a_child_outlives_the_thread_that_asked_for_it(start: Start) -> None:
    children: list[TetheredProcess] = []
    thread = threading.Thread(target=lambda: children.append(start(SLEEPER)))
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert children[0].alive


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent_code = (
        "import time\nfrom pathlib import Path\nfrom connectors.local.tether import TetheredProcess\n"
        f"child = TetheredProcess({SLEEPER!r}, log_file=Path({str(tmp_path / 'child.log')!r}))\n"
        "child.start()\nprint(child.pid, flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", parent_code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert child.is_running()
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, limit_s=2)
