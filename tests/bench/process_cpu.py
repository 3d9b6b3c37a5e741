"""CPU seconds and memory of a process and everything it started, from /proc."""

import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6
PR_SET_CHILD_SUBREAPER = 36
# Fields of /proc/PID/stat behind the name: state, parent, group, session; times of itself and of ended children.
PARENT, SESSION, TIMES, RESIDENT = 1, 3, slice(11, 15), 21


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu_s`: user and system seconds so far; `rss_mb`: resident now."""

    cpu_s: float
    rss_mb: float


def tree_cpu_s(pid: int) -> float:
    """User and system time of the living tree, and of its children that ended and were waited for."""
    total = 0.0
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(int(fields[index]) for index in (11, 12, 13, 14)) * TICK_S
    return total


def keep_orphans() -> None:
    """From now on what the processes we start leave behind becomes ours, so that its time stays readable."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def usage(leaders: list[int]) -> Usage:
    """Of everything that was started by these leaders of sessions, whether it runs, ended, or was orphaned.

    An ended process counts until somebody waits for it, and from then on in its parent's times: nothing
    counts twice, and nothing is lost as long as nobody reaps the leaders and the orphans (`keep_orphans`).
    """
    found = dict(_processes())
    inside = {pid for pid, fields in found.items() if pid in leaders or int(fields[SESSION]) in leaders}
    grew = True
    while grew:
        more = {pid for pid, fields in found.items() if pid not in inside and int(fields[PARENT]) in inside}
        inside |= more
        grew = bool(more)
    ticks = sum(int(ticks) for pid in inside for ticks in found[pid][TIMES])
    return Usage(ticks * TICK_S, sum(int(found[pid][RESIDENT]) for pid in inside) * PAGE_MB)


def ended(pid: int) -> bool:
    """Without waiting for it, which would make its times unreadable."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except FileNotFoundError:
        return True


def _processes() -> Iterator[tuple[int, list[str]]]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                text = Path(entry.path, "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended in between
            yield int(entry.name), text.rpartition(")")[2].split()


def orphans_of(leader: int, *, alive: bool) -> list[int]:
    """Processes of this leader's session that still run; or those that ended and are ours to wait for."""
    return [
        pid
        for pid, fields in _processes()
        if pid != leader
        and int(fields[SESSION]) == leader
        and (fields[0] != "Z") == alive
        and (alive or int(fields[PARENT]) == os.getpid())
    ]
