"""Processes that kill themselves at a named place of their work, instead of those that run."""

import math
import time
from collections.abc import Sequence

from tests.chaos.world import World

LOOK_S = 0.05
PATIENCE_S = 30.0  # for one death: on a busy machine a process takes twenty seconds to start


def die_often(world: World, names: Sequence[str], command: str, *, times: int, **environment: str) -> int:
    """Stands in for `names` until so many have died or the load is over; then those go on. Returns how many died."""
    supervisor = world.system.supervisor
    stand_ins = [f"{name}-dying" for name in names]
    for name, stand_in in zip(names, stand_ins, strict=True):
        supervisor.stop_part(name)
        slot = {"PULSE_WORKER__INSTANCE": name} if command == "worker" else {}
        world.system.start(stand_in, command, **slot, **environment)
    pids = {world.system.pid(stand_in) for stand_in in stand_ins}

    def deaths() -> int:
        world.hurry()
        pids.update(world.system.pid(stand_in) for stand_in in stand_ins)
        return len(pids) - len(stand_ins)

    seen = waits = 0
    since_s = time.monotonic()
    with world.fault(f"{', '.join(names)} die at a failpoint, {times} times"):
        try:
            while (died := deaths()) < times and not world.load_over():
                # The load keeps pace with the deaths: on a slow machine it would be over before the first.
                if died > seen:
                    seen, since_s = died, time.monotonic()
                elif time.monotonic() - since_s > PATIENCE_S:
                    waits, since_s = waits + 1, time.monotonic()
                world.allowed = world.plan.events * (1 + died + waits) / times
                time.sleep(LOOK_S)
        finally:
            world.allowed = math.inf
            for name, stand_in in zip(names, stand_ins, strict=True):
                supervisor.stop_part(stand_in)
                supervisor.start_part(name)
    return len(pids) - len(stand_ins)
