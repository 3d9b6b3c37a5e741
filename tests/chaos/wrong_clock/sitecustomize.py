"""Loaded by the interpreter at its start, if this folder is on its path: sets the wall clock wrong, as a bad NTP does.

`CHAOS_CLOCK="seconds,after_s"`. Only what Python reads as wall time is wrong; intervals (monotonic) are right.
"""

import os
import time

VARIABLE = "CHAOS_CLOCK"


def set_wrong(seconds: float, after_s: float) -> None:
    right, right_ns, step_at = time.time, time.time_ns, time.monotonic() + after_s

    def wrong_s() -> float:
        return seconds if time.monotonic() >= step_at else 0.0

    time.time = lambda: right() + wrong_s()
    time.time_ns = lambda: right_ns() + int(wrong_s() * 1_000_000_000)


if VARIABLE in os.environ:
    set_wrong(*map(float, os.environ[VARIABLE].split(",")))
