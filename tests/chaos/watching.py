"""What a scenario looks at while a fault is on: memory, metrics, and whether a server is back."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

import httpx
import psutil

from connectors.local.engine import Engine
from connectors.local.ports import HOST
from pipeline.errors import Misconfigured

SAMPLE_S = 0.25
BACK_LIMIT_S = 180.0  # a matter of the machine: five seconds where nothing else runs
LOAD_LIMIT_S = 300.0  # what acks may take longer than the load itself
MIB = 1 << 20


def until(what: str, condition: Callable[[], bool], limit_s: float) -> None:
    """Raises AssertionError naming `what` when it does not come."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {limit_s:g} s"
        time.sleep(0.05)


def until_back(server: Engine, *, but_not: int | None = None, limit_s: float = BACK_LIMIT_S) -> None:
    """Returns when the server answers, as another process than `but_not`. The supervisor starts it, not we."""

    def answers() -> bool:
        if not server.alive or server.pid == but_not:
            return False
        with suppress(Misconfigured):  # it ended while it started, or is slow: looked at again
            server.wait_ready(5.0)
            return server.pid != but_not
        return False

    until(f"{server.name} is back", answers, limit_s)


def metric(port: int, name: str, **labels: str) -> float | None:
    """The sum of the samples of that name with these labels; None when the process does not answer."""
    try:
        text = httpx.get(f"http://{HOST}:{port}/metrics", timeout=5).text
    except httpx.HTTPError:
        return None
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    lines = [line for line in text.splitlines() if line.startswith(name) and all(one in line for one in wanted)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


class Watch:
    """Samples figures in a thread while it is entered: `peaks` are the highest seen, `firsts` the first."""

    def __init__(self, **figures: Callable[[], float | None]) -> None:
        self._figures = figures
        self.firsts: dict[str, float] = {}
        self.peaks: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(10)

    def _watch(self) -> None:
        while True:
            for name, figure in self._figures.items():
                value = figure()
                if value is not None:
                    self.firsts.setdefault(name, value)
                    self.peaks[name] = max(value, self.peaks.get(name, value))
            if self._over.wait(SAMPLE_S):
                return


def resident_mib(pid_of: Callable[[], int | None]) -> Callable[[], float | None]:
    """Resident memory of a process that may be another one the next time."""

    def figure() -> float | None:
        pid = pid_of()
        try:
            return None if pid is None else psutil.Process(pid).memory_info().rss / MIB
        except psutil.Error:
            return None

    return figure
