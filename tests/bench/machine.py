"""What a measurement ran on, and how fast that was just then."""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

KERNEL_STEPS = 60_000
KERNEL_REPEATS = 5


def machine() -> dict[str, Any]:
    """Out of /proc; a virtual machine says so."""
    cpu = Path("/proc/cpuinfo").read_text()
    memory = re.search(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    model = re.search(r"model name\s*:\s*(.*)", cpu)
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "virtual": " hypervisor" in cpu,
        "memory_gib": round(int(memory[1]) / (1 << 20)) if memory else None,
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "load_at_start": os.getloadavg()[0],
    }


def versions() -> dict[str, str]:
    """Of the product's own parts; a peer's is in its folder."""
    names = ("campaign-pulse", "faust-streaming", "aiokafka", "confluent-kafka", "msgspec")
    found = {name: importlib.metadata.version(name) for name in names}
    return {**found, "python": platform.python_version(), "java": _first_line("java", "-version")}


def calibration_ms() -> float:
    """CPU milliseconds of a fixed piece of Python, best of five: the unit in which the machine's mood shows."""
    return round(min(_kernel_s() for _ in range(KERNEL_REPEATS)) * 1000, 2)


def _kernel_s() -> float:
    started, rows = time.process_time(), dict.fromkeys(range(997), 0)
    for number in range(KERNEL_STEPS):
        rows[number * 31 % 997] += len(f"{number}")
    return time.process_time() - started


def _first_line(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return "none"
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return (ended.stderr or ended.stdout).splitlines()[0]
