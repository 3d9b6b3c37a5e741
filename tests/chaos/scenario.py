"""What a fault scenario is: a load, a disturbance, and what has to hold in the end beside the oracle's zeros."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tests.chaos.ledger import LedgerEvent
from tests.chaos.world import World


@dataclass(frozen=True, slots=True)
class Plan:
    """How much: `per_s` events a second for `seconds`, the fault `times` times with `pause_s` as the scenario says."""

    per_s: float
    seconds: float
    times: int = 1
    pause_s: float = 0.0

    @property
    def events(self) -> int:
        return round(self.per_s * self.seconds)


@dataclass(frozen=True, slots=True)
class Scenario:
    """`short` runs in the test suite, `full` is the measured form.

    `disturb` runs in the main thread while the load flows in another, and returns when the fault is over. `prepare`
    runs before any of our processes is started. `events`: another load than the default one. `check`: sentences about
    what is wrong, asked after everything has drained; empty when all is well. `environment`: of all our processes.
    `sink`: whether the sink runs from the start; without, it is started after the load.
    """

    code: str
    title: str
    short: Plan
    full: Plan
    disturb: Callable[[World, Plan], None]
    prepare: Callable[[World, Plan], None] | None = None
    events: Callable[[Plan], Iterable[LedgerEvent]] | None = None
    check: Callable[[World], list[str]] | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    workers: int = 2
    sink: bool = True

    @property
    def shareable(self) -> bool:
        """Whether it can run on a system that other scenarios have used before."""
        return self.prepare is None and self.events is None and not self.environment and self.workers == 2 and self.sink
