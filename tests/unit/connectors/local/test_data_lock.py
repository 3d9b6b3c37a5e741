"""One system per data directory; what a killed one left behind is ended by the next."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.local.data_lock import DataLock, read_owner
from connectors.local.process_record import record_of
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

HOLDER = """
import subprocess, sys, time
from pathlib import Path
from connectors.local.data_lock import DataLock
from connectors.local.process_record import record_of
lock = DataLock(Path(sys.argv[1]))
lock.acquire()
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
lock.record_children([record_of("worker-1", child.pid)])
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_second_holder_is_refused_with_the_owner_and_the_way_out(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    child_pid = int(holder.stdout.readline())
    with pytest.raises(Misconfigured, match=rf"\(process {holder.pid}\).*pulse down") as refused:
        DataLock(tmp_path).acquire()
    owner = read_owner(tmp_path)
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with DataLock(tmp_path) as mine:
        assert mine.directory == tmp_path
    assert refused.value.code == MisconfiguredCode.ALREADY_RUNNING
    assert owner is not None
    assert owner.pid == holder.pid
    assert record_of("worker-1", child_pid) is None


def test_the_next_holder_ends_what_a_killed_one_left(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    child_pid = int(holder.stdout.readline())
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert record_of("worker-1", child_pid) is not None, "an untied child is what this test needs"
    assert read_owner(tmp_path) is None
    lock = DataLock(tmp_path)
    assert [left_over.pid for left_over in lock.acquire()] == [child_pid]
    lock.release()
    assert record_of("worker-1", child_pid) is None


def test_a_released_directory_has_no_owner_and_can_be_taken_again(tmp_path: Path) -> None:
    first = DataLock(tmp_path / "new")
    assert first.acquire() == []
    owner = read_owner(tmp_path / "new")
    assert owner is not None
    assert owner.pid == os.getpid()
    first.release()
    first.release()
    assert read_owner(tmp_path / "new") is None
    with DataLock(tmp_path / "new"):
        assert read_owner(tmp_path / "new") == owner
