"""Which process was that? A process id with its birth, so that a number used again is not mistaken for it."""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import psutil

# psutil derives the birth from the boot time, which follows the wall clock when that is set.
SAME_BIRTH_S = 2.0


class ProcessRecord(msgspec.Struct, frozen=True):
    """A process as it is written to a file; `born_s` in Unix seconds."""

    name: str
    pid: int
    born_s: float

    @property
    def alive(self) -> bool:
        return self._process() is not None

    def end(self) -> None:
        """kill -9 of it and its group, if it is still that process; returns when it is gone (5 s at most)."""
        process = self._process()
        if process is None or self.pid == os.getpid():
            return
        victims = [process, *process.children(recursive=True)]
        for victim in victims:
            try:
                victim.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(victims, timeout=5)

    def _process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.born_s) > SAME_BIRTH_S or process.status() == psutil.STATUS_ZOMBIE:
                return None
        except psutil.NoSuchProcess:
            return None
        return process


def record_of(name: str, pid: int) -> ProcessRecord | None:
    """The record of a running process; None when there is none."""
    try:
        return ProcessRecord(name, pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None


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
