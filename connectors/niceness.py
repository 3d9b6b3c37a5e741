"""Giving way to others on the same machine: who counts and alerts goes first, and a stored row may wait."""

import os
from contextlib import suppress
from pathlib import Path

# Linux may share processors out by sessions first (sched(7), autogroups): then the niceness of a process says nothing
# to those of other sessions, and each of our processes has a session of its own.
_OF_SESSION = Path("/proc/self/autogroup")


def give_way(niceness: int) -> None:
    """For this process and the session it leads, if it does. 0 is like everybody, 19 the last of all."""
    os.nice(niceness)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # another kernel, or not ours to say
            _OF_SESSION.write_text(f"{niceness}")
