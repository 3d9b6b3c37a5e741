"""Places where a test may kill this process, to prove that a crash between any two effects is harmless.

Off unless `worker.failpoints` names them: `PULSE_WORKER__FAILPOINTS="totals_written:0.01,rows_written:0.01"`
kills with that probability each time the place is reached.
"""

import os
import random
import signal
from collections.abc import Callable

from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

PLACES = ("published", "before_flush", "totals_written", "rows_written", "acked")


def failpoints(spec: str) -> Callable[[str], None]:
    """A function to call at each place; does nothing when `spec` is empty."""
    if not spec:
        return lambda _place: None
    chances = {}
    for part in spec.split(","):
        place, _, chance = part.partition(":")
        if place not in PLACES:
            raise Misconfigured(
                MisconfiguredCode.SETTING, f"worker.failpoints: {place!r} is not one of {', '.join(PLACES)}"
            )
        chances[place] = float(chance or 1)

    def reach(place: str) -> None:
        if random.random() < chances.get(place, 0):  # noqa: S311 - not for secrets
            os.kill(os.getpid(), signal.SIGKILL)

    return reach
