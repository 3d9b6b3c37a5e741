"""Every fault scenario there is."""

from tests.chaos.scenario import Scenario
from tests.chaos.scenarios import f01_kills, f06_broker_restarts, f07_broker_frozen

SCENARIOS: tuple[Scenario, ...] = (
    f01_kills.SCENARIO,
    f06_broker_restarts.SCENARIO,
    f07_broker_frozen.SCENARIO,
)
