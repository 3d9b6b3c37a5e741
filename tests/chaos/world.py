"""What a scenario gets into its hands: the running system, its ledger, and ways to hurt it."""

import math
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.local.supervisor import PartState
from tests.chaos.ledger import Ledger
from tests.chaos.slow_proxy import SlowProxy
from tests.system import System

if TYPE_CHECKING:
    from tests.chaos.scenario import Plan

PARTS = frozenset({"kafka", "clickhouse"})


@dataclass(frozen=True, slots=True)
class Sample:
    """`at_s` monotonic; `counted`: records the workers' group has committed; `lag`: those it has not."""

    at_s: float
    counted: int
    lag: int


@dataclass(frozen=True, slots=True)
class Fault:
    """An interval on the monotonic clock, seconds."""

    label: str
    began_s: float
    ended_s: float


@dataclass
class World:
    """`random` is seeded: the same seed hurts the same processes in the same order. Free for the scenario's own use:
    `figures` (come into the report), `proxies` (closed at the end), `ports`, `notes` (what `check` needs)."""

    system: System
    directory: Path
    ledger: Ledger
    plan: "Plan"
    random: random.Random
    say: Callable[[str], None] = lambda _line: None
    full: bool = False
    faults: list[Fault] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    proxies: dict[str, SlowProxy] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    samples: Sequence[Sample] = ()  # of the workers' progress, from the start on, while it runs
    allowed: float = math.inf  # how many records the load may have sent; it waits there
    began_s: float = 0.0  # when the load began, monotonic
    load_over: Callable[[], bool] = lambda: True  # whether every event of the load has been handed over

    def names(self) -> list[str]:
        """Our processes that run, without broker and ClickHouse."""
        running = {part.name for part in self.system.supervisor.status() if part.state is not PartState.STOPPED}
        return [name for name in self.system.started if name in running]

    def own_samples(self) -> list[Sample]:
        return [sample for sample in self.samples if sample.at_s >= self.began_s]

    def is_running(self, name: str) -> bool:
        parts = {part.name: part.state for part in self.system.supervisor.status()}
        return parts.get(name) is PartState.RUNNING

    def kill(self, name: str) -> bool:
        """kill -9; the supervisor starts it again. False when it was just not running."""
        return self.system.kill(name)

    def stop(self, name: str) -> bool:
        """SIGTERM; the supervisor starts it again. False when it was just not running."""
        return self._signal(name, signal.SIGTERM)

    def freeze(self, name: str, seconds: float) -> bool:
        """SIGSTOP, and SIGCONT after so long; returns then. False when it was just not running."""
        pid = self.system.pid(name)
        if pid is None or not self._signal(name, signal.SIGSTOP):
            return False
        try:
            time.sleep(seconds)
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        return True

    def hurry(self) -> None:
        """Starts at once whatever the supervisor would start only after a pause: a test of kills wants living ones."""
        for part in self.system.supervisor.status():
            if part.state is PartState.BACKING_OFF:
                self.system.supervisor.start_part(part.name)

    @contextmanager
    def fault(self, label: str) -> Iterator[None]:
        """Marks what is inside as a fault: recovery is measured from its end."""
        began_s = time.monotonic()
        self.say(f"fault: {label}")
        try:
            yield
        finally:
            self.faults.append(Fault(label, began_s, time.monotonic()))

    def close(self) -> None:
        for proxy in self.proxies.values():
            proxy.close()

    def _signal(self, name: str, number: signal.Signals) -> bool:
        pid = self.system.pid(name)
        if pid is None:
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True
