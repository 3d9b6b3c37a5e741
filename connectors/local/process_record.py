"""Which process was that? A process id with its birth, so that a number used again is not mistaken for it."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

# psutil derives the birth from the boot time, which follows the wall clock when that is set.
SAME_BIRTH_S = 2.0
END_LIMIT_S = 5.0


class ProcessRecord(msgspec.Struct, frozen=True):
    """A process as it is written to a file; `born_s` in Unix seconds."""

    name: str
    pid: int
    born_s: float

    @property
    def alive(self) -> bool:
        return self._process() is not None

    def end(self) -> None:
        """kill -9 of it and of what it has started, if it is still that process; returns when all is gone."""
        process = self._process()
        if process is None or self.pid == os.getpid():
            return
        victims = [self, *filter(None, (record_of(self.name, child.pid) for child in _descendants(process)))]
        for victim in victims:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(victim.pid).kill()
        end_s = time.monotonic() + END_LIMIT_S
        while any(victim.alive for victim in victims) and time.monotonic() < end_s:
            time.sleep(0.01)

    def _process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.born_s) > SAME_BIRTH_S:
                return None
            # A zombie is gone, unless other threads of it are still on their way out, with its ports and files.
            if process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1:
                return None
        except psutil.NoSuchProcess:
            return None
        return process


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def record_of(name: str, pid: int) -> ProcessRecord | None:
    """The record of a running process; None when there is none."""
    try:
        record = ProcessRecord(name, pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None
    return record if record.alive else None


def write_records(path: Path, records: Sequence[ProcessRecord]) -> None:
    """Replaces the file in one step."""
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(msgspec.json.encode(records))
    os.replace(beside, path)


def read_records(path: Path) -> list[ProcessRecord]:
    """What was written last; nothing when the file is missing or damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[ProcessRecord])
    except (FileNotFoundError, msgspec.DecodeError):
        return []
