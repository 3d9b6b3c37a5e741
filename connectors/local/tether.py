"""Child processes that cannot outlive us: however this process ends, kill -9 included, its children end too.

Linux ends a child when the *thread* that forked it ends (PR_SET_PDEATHSIG). So one thread, which lives
as long as the process, does all the forking; a caller's thread may come and go.
"""

import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
LOG_LIMIT_BYTES = 16 * 1024 * 1024


class TetheredProcess:
    """One child in a session of its own, so that Ctrl-C in the terminal reaches only us. Restartable, thread-safe.

    stdout and stderr are appended to `log_file`; a log above 16 MiB is moved to `<log_file>.1` at a start.
    `env` is the whole environment (None: ours).
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log_file: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self._argv = list(argv)
        self._env = None if env is None else dict(env)
        self._cwd = cwd
        self.log_file = log_file
        self._log_start_bytes = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; raises OSError when the program cannot be run, RuntimeError when it runs already."""
        if self.alive:
            raise RuntimeError(f"process {self.pid} runs already")
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_LIMIT_BYTES:
            os.replace(self.log_file, self.log_file.with_name(self.log_file.name + ".1"))
        with self.log_file.open("ab") as log:
            self._log_start_bytes = log.tell()
            self._process = _SPAWNER.spawn(_Request(self._argv, self._env, self._cwd, log.fileno()))

    @property
    def pid(self) -> int | None:
        """The last process's id; None before the first start."""
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """As of `subprocess`: negative for a signal; None while it runs or before the first start."""
        return None if self._process is None else self._process.poll()

    def terminate(self) -> None:
        """Asks it to end (SIGTERM); a paused one is let go on first, or it could not hear."""
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9 of its whole group, and waits until it is gone."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def wait(self, limit_s: float) -> bool:
        """Whether it has ended within `limit_s`."""
        if self._process is None:
            return True
        try:
            self._process.wait(max(0.0, limit_s))
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, limit_s: float) -> None:
        """SIGTERM, and SIGKILL when it is still there after `limit_s`. Harmless when it has ended."""
        self.terminate()
        if not self.wait(limit_s):
            self.kill()

    def log_tail(self, lines: int = 15) -> str:
        """The last lines this start has written."""
        try:
            with self.log_file.open("rb") as log:
                end = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_start_bytes, end - 64 * 1024))
                text = log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _signal(self, number: signal.Signals) -> None:
        # poll() first: a process that has been reaped may have left its number to a stranger.
        if self._process is not None and self._process.poll() is None:
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                return  # it ended between the two lines


@dataclass(frozen=True, slots=True)
class _Request:
    argv: list[str]
    env: dict[str, str] | None
    cwd: Path | None
    output: int  # file descriptor of stdout and stderr
    answer: Future[subprocess.Popen[bytes]] = field(default_factory=Future)


class _Spawner:
    """The thread that forks. Started at the first use, so that nothing happens on import."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner_pid = 0
        self._requests: queue.SimpleQueue[_Request] = queue.SimpleQueue()

    def spawn(self, request: _Request) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._owner_pid != os.getpid():  # first use, or we are a fork ourselves and lack the thread
                self._owner_pid = os.getpid()
                self._requests = queue.SimpleQueue()
                threading.Thread(target=_serve, args=(self._requests,), name="spawner", daemon=True).start()
        self._requests.put(request)
        return request.answer.result()


def _serve(requests: "queue.SimpleQueue[_Request]") -> None:
    while True:
        request = requests.get()
        try:
            request.answer.set_result(_fork(request))
        except (OSError, subprocess.SubprocessError) as error:
            request.answer.set_exception(error)


def _fork(request: _Request) -> subprocess.Popen[bytes]:
    # Loaded before the fork: after it, the child must not need a lock that another thread could hold.
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    parent_pid = os.getpid()

    def tie_to_parent() -> None:
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent_pid:  # we ended between the fork and the call
                os._exit(1)

    return subprocess.Popen(
        request.argv,
        env=request.env,
        cwd=request.cwd,
        stdin=subprocess.DEVNULL,
        stdout=request.output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=tie_to_parent,  # noqa: PLW1509 (nothing else ties a child to its parent's end)
    )


_SPAWNER = _Spawner()
