"""One system per data directory, and no leftovers of one that was killed."""

import fcntl
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from connectors.local.process_record import ProcessRecord, read_records, record_of, write_records
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured


class DataLock:
    """Held by the process that runs a system over `directory`; the kernel lets it go when that process ends.

    Beside it stands a list of that system's processes, by which the next start ends what a killed one left
    (on Linux children end with their parent; elsewhere, and in the blink before, this is the remedy).
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self._handle: BinaryIO | None = None
        self._lock = threading.Lock()

    def acquire(self) -> list[ProcessRecord]:
        """Takes the directory and ends leftovers; returns those. Raises Misconfigured(ALREADY_RUNNING)."""
        self.directory.mkdir(parents=True, exist_ok=True)
        handle = (self.directory / "lock").open("ab")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            owner = read_owner(self.directory)
            who = f"process {owner.pid}" if owner else "another process"
            raise Misconfigured(
                MisconfiguredCode.ALREADY_RUNNING,
                f"Campaign Pulse runs over {self.directory} already ({who}): `pulse status` shows it, `pulse down` "
                "ends it; or choose another directory with --data.",
            ) from None
        self._handle = handle
        left_over = [record for record in read_records(self._records) if record.alive and record.pid != os.getpid()]
        for record in left_over:
            record.end()
        self.record_children([])
        return left_over

    def record_children(self, children: Sequence[ProcessRecord]) -> None:
        """Writes the processes that belong to this system; the owner stands first. Only while held."""
        with self._lock:
            if self._handle is None:
                return
            owner = record_of("owner", os.getpid())
            write_records(self._records, [*([owner] if owner else []), *children])

    def release(self) -> None:
        """Gives the directory free; a second call does nothing."""
        with self._lock:
            if self._handle is None:
                return
            self._records.unlink(missing_ok=True)
            self._handle.close()
            self._handle = None

    def __enter__(self) -> "DataLock":
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    @property
    def _records(self) -> Path:
        return self.directory / "processes.json"


def read_owner(directory: Path) -> ProcessRecord | None:
    """The living process that runs a system over `directory`; None when none does."""
    for record in read_records(directory / "processes.json"):
        if record.name == "owner" and record.alive:
            return record
    return None
