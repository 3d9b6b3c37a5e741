"""Keeps the parts of a local system running: starts them, starts them again, ends them in order."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import structlog

from connectors.local.data_lock import DataLock
from connectors.local.process_record import record_of
from connectors.local.tether import TetheredProcess
from pipeline.errors import Misconfigured

EXIT_MISCONFIGURED = 78
BACK_OFF_FIRST_S = 0.2
BACK_OFF_LAST_S = 5.0
STEADY_AFTER_S = 10.0  # a part that ran this long starts its back-off anew
WATCH_EVERY_S = 0.1
STOP_LIMIT_S = 9.0
SERVERS_SHARE_S = 4.0  # of the limit, kept for the servers, which end last

log = structlog.get_logger()


class PartState(StrEnum):
    """What a part is doing."""

    RUNNING = "running"
    BACKING_OFF = "backing_off"  # ended unexpectedly, starts again soon
    ENDED = "ended"  # ended, and is not to be started again
    MISCONFIGURED = "misconfigured"  # exit 78: no restart helps, a person must act
    STOPPED = "stopped"  # by us


class Part(Protocol):
    """What can be supervised: a `TetheredProcess`, a `KafkaBroker`, a `ClickHouseServer`."""

    @property
    def pid(self) -> int | None: ...
    @property
    def alive(self) -> bool: ...
    @property
    def exit_code(self) -> int | None: ...
    def start(self) -> None: ...
    def terminate(self) -> None: ...
    def wait(self, limit_s: float) -> bool: ...
    def kill(self) -> None: ...
    def log_tail(self, lines: int = 15) -> str: ...


@dataclass(frozen=True, slots=True)
class Supervised:
    """A child process to run. `env` is the whole environment (None: ours)."""

    name: str
    argv: Sequence[str]
    log_file: Path
    env: Mapping[str, str] | None = None
    restart: bool = True


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One line of the status. `since_ms`: Unix ms of the state's begin. `detail`: why, and the log's last lines."""

    name: str
    pid: int | None
    state: PartState
    restarts: int
    since_ms: int
    detail: str = ""


@dataclass(slots=True)
class _Watched:
    part: Part
    restart: bool
    server: bool
    status: PartStatus
    back_off_s: float = BACK_OFF_FIRST_S
    started_s: float = 0.0  # monotonic, as the next
    restart_at_s: float = 0.0


class Supervisor:
    """Runs parts over a data directory that it holds (`DataLock`) from `open()` to `stop()`. Thread-safe."""

    def __init__(self, directory: Path) -> None:
        self._data_lock = DataLock(directory)
        self._parts: dict[str, _Watched] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def open(self) -> None:
        """Takes the directory, ends what a killed run left there. Raises Misconfigured(ALREADY_RUNNING)."""
        for record in self._data_lock.acquire():
            log.warning("local_leftover_ended", part=record.name, pid=record.pid)
        self._watcher.start()

    def adopt(self, name: str, server: Part) -> None:
        """Watches a server from now on, and starts it if it does not run. Servers are ended after all processes."""
        self._add(name, server, restart=True, server=True)

    def start(self, supervised: Supervised) -> None:
        """Starts a process and watches it. Raises OSError when the program cannot be run."""
        process = TetheredProcess(supervised.argv, log_file=supervised.log_file, env=supervised.env)
        self._add(supervised.name, process, restart=supervised.restart, server=False)

    def status(self) -> list[PartStatus]:
        """Every part, in the order of their start."""
        with self._lock:
            return [watched.status for watched in self._parts.values()]

    def failures(self) -> list[PartStatus]:
        """The parts that a person has to look after."""
        return [status for status in self.status() if status.state is PartState.MISCONFIGURED]

    def stop_part(self, name: str, limit_s: float = SERVERS_SHARE_S) -> None:
        """Ends one part for good."""
        with self._lock:
            watched = self._parts[name]
            self._enter(watched, PartState.STOPPED)
        watched.part.terminate()
        if not watched.part.wait(limit_s):
            watched.part.kill()

    def start_part(self, name: str) -> None:
        """Starts a part that was stopped, with a clean record."""
        with self._lock:
            watched = self._parts[name]
            if not watched.part.alive:
                watched.part.start()
            watched.started_s, watched.back_off_s = time.monotonic(), BACK_OFF_FIRST_S
            self._enter(watched, PartState.RUNNING)

    def stop(self, limit_s: float = STOP_LIMIT_S) -> None:
        """Ends everything within about `limit_s`, in reverse order of the start, servers last: SIGTERM, then
        SIGKILL for what is still there. Then gives the directory free. A second call does nothing."""
        self._stopping.set()
        if self._watcher.is_alive() and threading.current_thread() is not self._watcher:
            self._watcher.join()
        end_s = time.monotonic() + limit_s
        with self._lock:
            parts = list(reversed(self._parts.values()))
        servers_share_s = min(SERVERS_SHARE_S, limit_s / 2)
        _end([watched.part for watched in parts if not watched.server], end_s - servers_share_s)
        _end([watched.part for watched in parts if watched.server], end_s)
        with self._lock:
            for watched in parts:
                if watched.status.state in (PartState.RUNNING, PartState.BACKING_OFF):
                    self._enter(watched, PartState.STOPPED)
        self._data_lock.release()

    def __enter__(self) -> "Supervisor":
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _add(self, name: str, part: Part, *, restart: bool, server: bool) -> None:
        with self._lock:
            if name in self._parts:
                raise ValueError(f"a part named {name} is there already")
            if not part.alive:
                part.start()
            status = PartStatus(name, part.pid, PartState.RUNNING, restarts=0, since_ms=_now_ms())
            self._parts[name] = _Watched(part, restart, server, status, started_s=time.monotonic())
            self._record()

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_EVERY_S):
            with self._lock:
                for watched in self._parts.values():
                    if watched.status.state is PartState.RUNNING and not watched.part.alive:
                        self._note_end(watched)
                    elif watched.status.state is PartState.BACKING_OFF and time.monotonic() >= watched.restart_at_s:
                        self._start_again(watched)

    def _note_end(self, watched: _Watched) -> None:
        code = watched.part.exit_code
        detail = f"exit code {code}\n{watched.part.log_tail()}".rstrip()
        if code == EXIT_MISCONFIGURED:
            self._enter(watched, PartState.MISCONFIGURED, detail)
        elif not watched.restart:
            self._enter(watched, PartState.ENDED, detail)
        else:
            self._back_off(watched, detail)
        report = log.info if watched.status.state is PartState.ENDED and code == 0 else log.warning
        report("local_part_ended", part=watched.status.name, exit_code=code, then=watched.status.state.value)

    def _back_off(self, watched: _Watched, detail: str) -> None:
        now_s = time.monotonic()
        if now_s - watched.started_s >= STEADY_AFTER_S:
            watched.back_off_s = BACK_OFF_FIRST_S
        watched.restart_at_s = now_s + watched.back_off_s
        watched.back_off_s = min(watched.back_off_s * 2, BACK_OFF_LAST_S)
        self._enter(watched, PartState.BACKING_OFF, detail)

    def _start_again(self, watched: _Watched) -> None:
        watched.started_s = time.monotonic()
        try:
            watched.part.start()
        except (Misconfigured, OSError) as error:  # a port not free yet, for one: tried again like any end
            self._back_off(watched, str(error))
            return
        watched.status = replace(watched.status, restarts=watched.status.restarts + 1)
        self._enter(watched, PartState.RUNNING, watched.status.detail)

    def _enter(self, watched: _Watched, state: PartState, detail: str = "") -> None:
        watched.status = replace(watched.status, pid=watched.part.pid, state=state, since_ms=_now_ms(), detail=detail)
        self._record()

    def _record(self) -> None:
        running = [watched for watched in self._parts.values() if watched.part.alive]
        records = [record_of(watched.status.name, watched.part.pid or 0) for watched in running]
        self._data_lock.record_children([record for record in records if record is not None])


def _end(parts: Sequence[Part], end_s: float) -> None:
    """SIGTERM to all, in the given order; SIGKILL to those that are there at `end_s` (monotonic)."""
    for part in parts:
        part.terminate()
    for part in parts:
        if not part.wait(end_s - time.monotonic()):
            part.kill()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
