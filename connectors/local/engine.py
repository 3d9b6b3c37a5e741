"""What the local broker and the local ClickHouse share: a server process over a data directory."""

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.local.ports import choose_ports
from connectors.local.process_record import read_records, record_of, write_records
from connectors.local.tether import TetheredProcess
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

START_LIMIT_S = 60.0  # a loaded machine; 1-2 s is usual
STOP_LIMIT_S = 6.0
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Command:
    """How to start a server: argv, and environment and working directory where ours would not do."""

    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    cwd: Path | None = None


class Engine(ABC):
    """A server over one directory. Ports are found free at the first start and kept from then on.

    `start()` returns at once, `wait_ready()` when it answers; both may be called again after an end, and
    the server goes on with its data. Ends with this process, however this process ends.
    """

    name: str

    def __init__(self, directory: Path, ports: Mapping[str, int]) -> None:
        self.directory = directory.absolute()
        self.log_file = self.directory / f"{self.name}.log"
        self._wanted = dict(ports)
        self._ports: dict[str, int] = {}
        self._was_ready = False
        self._process: TetheredProcess | None = None
        self._lock = threading.RLock()

    @abstractmethod
    def _command(self, ports: Mapping[str, int]) -> Command:
        """Writes what the server needs into the directory; says how to start it on these ports."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether it is our server that answers, in full."""

    def start(self) -> None:
        """Starts the server. Raises Misconfigured when a part is missing, a wanted port is taken, or another
        living process has the directory."""
        with self._lock:
            if self.alive:
                return
            self.directory.mkdir(parents=True, exist_ok=True)
            self._refuse_second()
            # Once it has been ready, others know the address: a restart must come back on the same ports.
            wanted = self._ports if self._was_ready else self._wanted
            self._ports = choose_ports(self.directory / "ports.json", wanted)
            command = self._command(self._ports)
            self._process = TetheredProcess(command.argv, log_file=self.log_file, env=command.env, cwd=command.cwd)
            self._process.start()
            owner = record_of("owner", os.getpid())
            server = record_of(self.name, self._process.pid or 0)
            write_records(self._records, [record for record in (owner, server) if record is not None])

    def wait_ready(self, limit_s: float = START_LIMIT_S) -> None:
        """Returns when the server answers. Raises Misconfigured with the end of its log when it ends or stays silent.

        Ports that were free a moment ago and got lost to another program are chosen anew, three times at most.
        """
        end_s = time.monotonic() + limit_s
        attempts_left = 3
        while not self._answers():
            if not self.alive:
                attempts_left -= 1
                if attempts_left and not self._was_ready and "Address already in use" in self.log_tail(200):
                    self.start()
                    continue
                raise Misconfigured(MisconfiguredCode.MISSING_PART, self._complaint("ended while starting"))
            if time.monotonic() > end_s:
                raise Misconfigured(MisconfiguredCode.MISSING_PART, self._complaint(f"did not answer in {limit_s:g} s"))
            time.sleep(POLL_S)
        self._was_ready = True

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.alive

    @property
    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.exit_code

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of the log, of this start only."""
        return "" if self._process is None else self._process.log_tail(lines)

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        if self._process is not None:
            self._process.terminate()

    def wait(self, limit_s: float) -> bool:
        """Whether it has ended within `limit_s`."""
        return self._process is None or self._process.wait(limit_s)

    def stop(self, limit_s: float = STOP_LIMIT_S) -> None:
        """SIGTERM, then SIGKILL after `limit_s`. A paused server is let go on first."""
        if self._process is not None:
            self._process.stop(limit_s)

    def kill(self) -> None:
        """kill -9, as a power cut would; returns when the process is gone."""
        if self._process is not None:
            self._process.kill()

    def pause(self) -> None:
        """SIGSTOP: connections stay, nothing answers."""
        if self._process is not None:
            self._process.pause()

    def resume(self) -> None:
        if self._process is not None:
            self._process.resume()

    def _port(self, name: str) -> int:
        if not self._ports:
            raise RuntimeError(f"{self.name} has no port before start()")
        return self._ports[name]

    @property
    def _records(self) -> Path:
        return self.directory / "process.json"

    def _refuse_second(self) -> None:
        """Two servers over one directory would spoil it. One whose owner is gone is a leftover: it is ended."""
        records = {record.name: record for record in read_records(self._records)}
        server, owner = records.get(self.name), records.get("owner")
        if server is None or not server.alive:
            return
        if owner is not None and owner.alive:
            raise Misconfigured(
                MisconfiguredCode.ALREADY_RUNNING,
                f"{self.name} (process {server.pid}) runs on {self.directory} already, started by process {owner.pid}; "
                "stop that one first, or use another directory.",
            )
        server.end()

    def _complaint(self, what: str) -> str:
        return f"{self.name} {what} (exit code {self.exit_code}); {self.log_file} ends with:\n{self.log_tail()}"
