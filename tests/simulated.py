"""A recorded morning: what simulator, connector and intake put on the raw topics, for tests to use again."""

import time
from pathlib import Path

from connectors.clock import Clock
from connectors.local.ports import HOST, choose_ports
from schemas.topics import RAW_EVENTS, RAW_GOOGLE_ADS
from tests.system import Message, System


def start_market(
    running: System, *, speed: float, events_per_s: float, events: int | None = None, seed: int = 1
) -> Clock:
    """Simulator, connector and intake, on a clock of this speed from now on."""
    now_ms = time.time_ns() // 1_000_000
    clock = Clock(anchor_real_ms=now_ms, anchor_ms=now_ms, speed=speed)
    ports = choose_ports(running.directory / "market-ports.json", {"simulator": 0, "intake": 0})
    simulator = f"http://{HOST}:{ports['simulator']}"
    running.environment |= {
        "PULSE_CLOCK": clock.to_environment(),
        "PULSE_INTAKE__PORT": str(ports["intake"]),
        "PULSE_GOOGLE_ADS__ENABLED": "true",
        "PULSE_GOOGLE_ADS__BASE_URL": simulator,
        "PULSE_GOOGLE_ADS__TOKEN_URL": f"{simulator}/token",
        "PULSE_GOOGLE_ADS__CLIENT_ID": "sim-client",
        "PULSE_GOOGLE_ADS__CLIENT_SECRET": "sim-secret",
        "PULSE_GOOGLE_ADS__REFRESH_TOKEN": "sim-refresh",
        "PULSE_GOOGLE_ADS__LOGIN_CUSTOMER_ID": "9000000001",
        "PULSE_GOOGLE_ADS__INTERVAL_S": str(4 * speed),
        "PULSE_GOOGLE_ADS__REQUESTS_PER_SECOND": "100",
    }
    running.start("intake", "connect", "events")
    arguments = ["simulate", "--port", str(ports["simulator"]), "--seed", str(seed), "--truth", str(truth(running))]
    arguments += ["--events-url", f"http://{HOST}:{ports['intake']}/v1/events", "--events-rate", str(events_per_s)]
    arguments += ["--no-outages"] + ([] if events is None else ["--events-limit", str(events)])
    running.start("simulator", *arguments)
    running.start("google-ads", "connect", "google-ads")
    return clock


def stop_market(running: System) -> None:
    """The intake last: its ticks tell that the last windows are over."""
    for name in ("google-ads", "simulator"):
        running.supervisor.stop_part(name)
    time.sleep(2.2)
    running.supervisor.stop_part("intake")


def truth(running: System) -> Path:
    return running.directory / "truth.ndjson"


def recorded(running: System) -> list[Message]:
    """Everything on the raw topics, by the time it says, order kept within each partition."""
    found = running.read(RAW_GOOGLE_ADS, RAW_EVENTS)
    latest: dict[tuple[str, int], int] = {}
    ordered = []
    for message in sorted(found, key=lambda m: (m.topic, m.partition, m.offset)):
        place = (message.topic, message.partition)
        latest[place] = max(latest.get(place, 0), message.timestamp)
        ordered.append((latest[place], message))
    return [message for _, message in sorted(ordered, key=lambda pair: pair[0])]
