"""Places where a test may kill this process, to prove that a crash between any two effects is harmless.

Off unless `worker.failpoints` or `sink.failpoints` names them: `PULSE_WORKER__FAILPOINTS="totals_written:0.01,acked"`
kills with that probability each time the place is reached.
"""

import os
import random
import signal
from collections.abc import Callable, Sequence

from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

WORKER_PLACES = ("published", "before_flush", "totals_written", "rows_written", "acked")
SINK_PLACES = ("block_written", "range_written")


def failpoints(spec: str, places: Sequence[str] = WORKER_PLACES) -> Callable[[str], None]:
    """A function to call at each place; does nothing when `spec` is empty."""
    if not spec:
        return lambda _place: None
    chances = {}
    for part in spec.split(","):
        place, _, chance = part.partition(":")
        if place not in places:
            raise Misconfigured(MisconfiguredCode.SETTING, f"failpoints: {place!r} is not one of {', '.join(places)}")
        chances[place] = float(chance or 1)

    def reach(place: str) -> None:
        if random.random() < chances.get(place, 0):  # noqa: S311 - not for secrets
            os.kill(os.getpid(), signal.SIGKILL)

    return reach
