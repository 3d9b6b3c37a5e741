"""A whole system under a steady load, for the measurements that look at it: how late what is, what costs how much."""

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.kafka_admin import admin
from connectors.lag import end_offsets
from tests.bench.machine import calibration_ms
from tests.bench.open_loop import RULES, TOPICS, Latencies, Schedule, send, watch_rows, watch_topics
from tests.bench.process_cpu import tree_cpu_s
from tests.bench.result import percentile
from tests.system import System, system

AHEAD_S = 4.0  # for the helpers to start before the first event is due
LATEST_S = 0.1  # a sender later than that measures the machine, not the system
PARTS = ("worker-1", "sink")


@dataclass(slots=True)
class Seen:
    """`latencies`: what -> (when due, seconds until seen), of the measured time. `cores`: part -> processors used.

    `calibration_ms`: how fast the machine was before and after, when nothing of this ran.
    """

    latencies: dict[str, list[float]] = field(default_factory=dict)
    cores: dict[str, float] = field(default_factory=dict)
    totals_per_s: float = 0.0
    sender_late_s: float = 0.0
    calibration_ms: list[float] = field(default_factory=list)

    def percentiles_ms(self) -> dict[str, float | None]:
        found: dict[str, float | None] = {}
        for what, values in self.latencies.items():
            for share in (50, 95, 99):
                value = percentile(values, share / 100)
                found[f"{what}_p{share}_ms"] = None if value is None else round(value * 1000, 1)
        return found

    @property
    def is_void(self) -> bool:
        return self.sender_late_s > LATEST_S

    def as_run(self) -> dict[str, Any]:
        return {
            **self.percentiles_ms(),
            "samples": {what: len(values) for what, values in self.latencies.items()},
            "cores": self.cores,
            "totals_per_s": round(self.totals_per_s),
            "sender_late_s": round(self.sender_late_s, 3),
            "calibration_ms": self.calibration_ms,
        }


def steady(
    *, per_s: int, warm_s: float, seconds: float, with_sink: bool = True, environment: Mapping[str, str] | None = None
) -> Seen:
    """Broker, ClickHouse, one worker and the sink for `warm_s + seconds`; only the latter are looked at."""
    before_ms = calibration_ms()
    with tempfile.TemporaryDirectory(prefix="pulse-bench-") as folder:
        rules = Path(folder) / "rules.toml"
        rules.write_text(RULES)
        own = {"PULSE_WORKER__RULES_FILE": str(rules), **(environment or {})}
        with system(Path(folder), own, lasting=True) as running:
            running.workers(1)
            if with_sink:
                running.start("sink", "sink")
            time.sleep(AHEAD_S)
            seen = _watch(running, per_s, warm_s, seconds, with_sink=with_sink)
    seen.calibration_ms = [before_ms, calibration_ms()]
    return seen


def _watch(running: System, per_s: int, warm_s: float, seconds: float, *, with_sink: bool) -> Seen:
    settings = running.settings
    ends = end_offsets(admin(settings), TOPICS, settings.partitions)
    schedule = Schedule(time.monotonic() + AHEAD_S, per_s, warm_s + seconds)
    measured_s = schedule.start_s + warm_s
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        sending = pool.submit(send, settings, schedule) if per_s else None
        topics = pool.submit(watch_topics, settings.kafka.bootstrap_servers, ends, schedule)
        table = pool.submit(watch_rows, settings, schedule) if with_sink else None
        _sleep_until(measured_s)
        before = _cpu(running)
        _sleep_until(schedule.end_s)
        after = _cpu(running)
        totals, ticked, waited, published = topics.result()
        found = {"total": totals, "alert": ticked, "alert_next_second": waited}
        if table is not None:
            found["row"] = table.result()
        late_s = 0.0 if sending is None else sending.result()
    if late_s > LATEST_S:
        sys.stderr.write(f"void: an event was sent {late_s:.2f} s after it was due; the machine is busy with else\n")
    return Seen(
        {what: _measured(values, measured_s, schedule.end_s) for what, values in found.items()},
        {part: round((after[part] - before[part]) / seconds, 3) for part in before},
        published / schedule.seconds,
        late_s,
    )


def _measured(latencies: Latencies, start_s: float, end_s: float) -> list[float]:
    return [latency for due_s, latency in latencies if start_s <= due_s < end_s]


def _cpu(running: System) -> dict[str, float]:
    return {part.name: tree_cpu_s(part.pid) for part in running.supervisor.status() if part.pid is not None}


def _sleep_until(when_s: float) -> None:
    time.sleep(max(0.0, when_s - time.monotonic()))
