"""Rounds over all systems, in rotating order, on one broker; and what comes out of them."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.bench.cluster import Cluster, wait_for_groups
from tests.bench.dataset import Dataset, write
from tests.bench.figures import marginal_us, ratios, spread_us, warm_slope_us
from tests.bench.increments import broker
from tests.bench.machine import calibration_ms, machine, versions
from tests.bench.our_run import OURS, Ours, run_ours
from tests.bench.peer import LENGTHS, QUICK_LENGTHS, Missing, Peer, all_peers, prepare
from tests.bench.peer_run import Run, run_peer
from tests.bench.process_cpu import keep_orphans

FLOOR, OUR_NAME = "c_floor", "ours"
System = Peer | Ours


@dataclass(frozen=True, slots=True)
class Measured:
    """A run with its place in the order, and how the machine was just before it."""

    round: int
    calibration_ms: float
    run: Run

    def as_dict(self) -> dict[str, Any]:
        return {"round": self.round, "calibration_ms": self.calibration_ms, **asdict(self.run)}


def chosen(names: str) -> list[System]:
    """`a,b` as systems, all when empty. ValueError names one that does not exist."""
    systems: list[System] = [*OURS, *all_peers()]
    known = {system.name: system for system in systems}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise ValueError(f'"{name}" is not a system; there are {", ".join(known)}')
    return [known[name] for name in wanted or known]


def lengths_of(system: System, *, quick: bool, cold: int = 0) -> tuple[int, int]:
    """Events of the short and the long run; short is 0 where one run is enough. `cold`: of one for everybody."""
    if cold:
        return 0, cold
    if isinstance(system, Peer):
        return system.quick_lengths if quick else system.lengths
    return (QUICK_LENGTHS if quick else LENGTHS)["python"]


@dataclass
class Comparison:
    """`say` gets a line for people per step.

    `cold`: events of one run for everybody, whose whole cost counts, start and getting warm included; 0: as they say.
    """

    systems: Sequence[System]
    quick: bool
    rounds: int
    campaigns: int
    cold: int
    say: Callable[[str], None]
    missing: dict[str, str] = field(default_factory=dict)
    measured: list[Measured] = field(default_factory=list)

    def measure(self) -> dict[str, Any]:
        """Everything, as one JSON object."""
        keep_orphans()
        self._prepare()
        present = [system for system in self.systems if system.name not in self.missing]
        began, about = time.monotonic(), {"machine": machine(), "versions": versions(), "day": _now()}
        with broker() as environment:
            cluster = Cluster(environment["KAFKA_BOOTSTRAP_SERVERS"])
            counts = sorted({count for system in present for count in self._lengths(system) if count})
            data = {count: self._write(cluster, count) for count in counts}
            if counts:
                wait_for_groups(cluster.bootstrap, data[counts[0]].topic)
            for number in range(self.rounds):
                at = number % max(1, len(present))
                for system in [*present[at:], *present[:at]]:
                    for count in filter(None, self._lengths(system)):
                        self._run(system, data[count], cluster, number)
        return {
            "measure": "comparison",
            **about,
            "took_s": round(time.monotonic() - began),
            "quick": self.quick,
            "rounds": self.rounds,
            "campaigns": self.campaigns,
            "cold": self.cold,
            "partitions": cluster.partitions,
            "data": {str(each.events): each.sha256 for each in data.values()},
            "calibration_ms": self._calibration(),
            "systems": self.figures(),
            "runs": [each.as_dict() for each in self.measured],
        }

    def figures(self) -> list[dict[str, Any]]:
        """A row per system: cost per event, ratios, or why there is none."""
        found = [self._figure(system) for system in self.systems]
        times = ratios({row["name"]: row["cpu_us_per_event"] for row in found}, FLOOR, OUR_NAME)
        return [
            {**row, "times_floor": times[row["name"]].floor, "times_ours": times[row["name"]].ours} for row in found
        ]

    def _figure(self, system: System) -> dict[str, Any]:
        short, long = self._lengths(system)
        runs = [each.run for each in self.measured if each.run.system == system.name]
        good = [run for run in runs if not run.void]
        ends = [[run.cpu_s for run in good if run.events == count] for count in (short, long)]
        longest = [run for run in good if run.events == long]
        if self.cold:
            spread = [cpu_s * 1e6 / long for cpu_s in ends[1]]
            cost, method = min(spread, default=None), "one whole run, start included"
        elif short:
            cost, spread = marginal_us((short, ends[0]), (long, ends[1])), spread_us((short, ends[0]), (long, ends[1]))
            method = "difference of two lengths"
        else:
            slopes = [slope for run in longest if (slope := warm_slope_us(run.samples, long)) is not None]
            cost, spread, method = min(slopes, default=None), slopes, "warm slope, 50 to 97 % of the run"
        if cost is not None and cost <= 0:
            cost = None  # drowned in noise: these lengths are too short for it
        return {
            "name": system.name,
            "title": system.title,
            "version": system.version if isinstance(system, Peer) else versions()["campaign-pulse"],
            "kind": system.kind if isinstance(system, Peer) else "ours",
            "plain_job": system.plain_job if isinstance(system, Peer) else False,
            "note": system.note,
            "lengths": [short, long],
            "method": method,
            "cpu_us_per_event": cost,
            "each_round_us": spread,
            "start_cpu_s": None if self.cold else _start_cpu_s(cost, long, ends[1]),
            "wall_us_per_event": marginal_us(
                (short, [run.wall_s for run in good if run.events == short]), (long, [run.wall_s for run in longest])
            )
            if short
            else None,
            "rss_mb": min((run.rss_mb for run in longest), default=None),
            "runs": len(runs),
            "void": [run.void for run in runs if run.void],
            "missing": self.missing.get(system.name, ""),
        }

    def _lengths(self, system: System) -> tuple[int, int]:
        return lengths_of(system, quick=self.quick, cold=self.cold)

    def _prepare(self) -> None:
        for system in self.systems:
            if isinstance(system, Peer):
                try:
                    prepare(system)
                except Missing as reason:
                    self.missing[system.name] = str(reason)
                    self.say(f"{system.name}: left out, {reason}")

    def _write(self, cluster: Cluster, count: int) -> Dataset:
        data = write(cluster, count, self.campaigns)
        self.say(f"data: {count:,} events, SHA-256 {data.sha256}")
        return data

    def _run(self, system: System, data: Dataset, cluster: Cluster, number: int) -> None:
        mood = calibration_ms()
        run = run_peer(system, data, cluster) if isinstance(system, Peer) else run_ours(system, data, cluster)
        self.measured.append(Measured(number + 1, mood, run))
        verdict = f"VOID: {run.void}" if run.void else "totals equal"
        self.say(
            f"round {number + 1}, {system.name}, {data.events:,} events: "
            f"{run.cpu_s:.2f} CPU-s in {run.wall_s:.1f} s, {verdict}"
        )

    def _calibration(self) -> dict[str, float | None]:
        moods = [each.calibration_ms for each in self.measured]
        return {"least": min(moods, default=None), "most": max(moods, default=None)}


def as_text(found: Mapping[str, Any]) -> str:
    """The artefact with a line per run, so that a difference between two of them can be read."""
    head = json.dumps({key: value for key, value in found.items() if key != "runs"}, indent=1, ensure_ascii=False)
    runs = ",\n  ".join(json.dumps(run, ensure_ascii=False) for run in found["runs"])
    return f'{head[:-2]},\n "runs": [\n  {runs}\n ]\n}}\n'


def _start_cpu_s(cost_us: float | None, events: int, cpu_s: Sequence[float]) -> float | None:
    """What is left of the shortest long run when every event cost the same: start, and for JVMs getting warm."""
    return max(0.0, min(cpu_s) - cost_us * events / 1e6) if cost_us is not None and cpu_s else None


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
