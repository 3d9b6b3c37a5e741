"""A system with a worker, the sink and the intake, each at a known port, and the events to post to it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from connectors.local.ports import HOST, choose_ports
from tests.system import System, system

CLEAN: tuple[int, int, int, list[object]] = (0, 0, 0, [])
NOON_MS = 1_795_176_000_000  # 2026-11-20T12:00:00Z
PARTITIONS = 4
PARTS = ("worker", "sink", "intake")


@dataclass
class Live:
    """The whole system with a worker, the sink and the intake, and where each says how it is."""

    running: System
    ports: dict[str, int]

    @property
    def intake(self) -> str:
        return f"http://{HOST}:{self.ports['intake']}"

    def metric(self, part: str, name: str, **labels: str) -> float:
        """The sum of the samples with these labels."""
        text = httpx.get(f"http://{HOST}:{self.ports[part]}/metrics", timeout=10).text
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = [line for line in text.splitlines() if line.startswith(name) and all(one in line for one in wanted)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def health(self, part: str) -> dict[str, Any]:
        """`{"ready": ..., "checks": ...}`; of a part that is not there yet: not ready."""
        try:
            found: dict[str, Any] = httpx.get(f"http://{HOST}:{self.ports[part]}/readyz", timeout=10).json()
        except httpx.HTTPError:
            return {"ready": False, "checks": {}}
        return found

    def until(self, what: str, condition: Callable[[], bool], limit_s: float = 40) -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline, f"{what} not within {limit_s} s; {[self.health(p) for p in PARTS]}"
            time.sleep(0.1)

    def until_ready(self) -> None:
        self.until("all ready", lambda: all(self.health(part)["ready"] for part in PARTS))

    def until_away(self, part: str, check: str) -> None:
        def is_told() -> bool:
            health = self.health(part)
            return not health["ready"] and not health["checks"][check]["ok"] and bool(health["checks"][check]["detail"])

        self.until(f"{part} says that {check} is away", is_told)

    def check(self) -> None:
        found = self.running.verify()
        assert (found["lost"], found["duplicated"], found["drift_micros"], found["differences"]) == CLEAN
        assert found["checked"] > 0

    def restarts(self) -> dict[str, int]:
        return {part.name: part.restarts for part in self.running.supervisor.status() if part.name in PARTS}


def live(directory: Path) -> Iterator[Live]:
    with system(directory, {"PULSE_WORKER__SESSION_S": "6"}) as running:
        ports = choose_ports(directory / "parts.json", dict.fromkeys(PARTS, 0))
        running.start("sink", "sink", PULSE_SINK__HTTP_PORT=str(ports["sink"]))
        own = {"PULSE_WORKER__INSTANCE": "worker", "PULSE_WORKER__HTTP_PORT": str(ports["worker"])}
        running.start("worker", "worker", **own)
        running.start("intake", "connect", "events", PULSE_INTAKE__PORT=str(ports["intake"]))
        made = Live(running, ports)
        made.until_ready()
        yield made


def event(name: str, **fields: Any) -> dict[str, Any]:
    base = {"event_id": name, "platform": "meta", "account_id": "1", "campaign_id": "7", "at": NOON_MS}
    return {**base, "type": "click", "currency": "EUR", "spend_micros": 1_000_000, **fields}
