"""Everything on this machine: broker, ClickHouse, simulator, connector, intake, workers and sink, over one folder."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from agents.replay import HOLD
from connectors.clickhouse.migrations import migrate
from connectors.clock import Clock, load_or_start
from connectors.kafka_admin import ensure_topics
from connectors.local.clickhouse_server import ClickHouseServer
from connectors.local.data_lock import read_owner
from connectors.local.kafka_broker import KafkaBroker
from connectors.local.ports import HOST, choose_ports, is_free
from connectors.local.supervisor import Supervised, Supervisor
from connectors.settings import Settings, load_settings
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

CLOCK_SAVE_S = 5.0
SOURCES = ("simulator", "google-ads")  # what is ended first, so that the rest can come to an end
TICKS_S = 2.2  # two ticks
KAFKA_PORT, CLICKHOUSE_PORT, INTAKE_PORT = 9092, 8123, 8080
PORTS = {"simulator": 0, "intake": 0, "google-ads": 0, "sink": 0}
ADDRESSES = "addresses.json"
MANAGER = "9000000001"  # the simulator's manager account


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What `pulse up` was asked for. `rate`: own-tag events a real second that the simulator sends."""

    data_dir: Path
    seed: int = 7
    speed: float = 1.0
    workers: int = 2
    rate: float = 20.0


class LocalStack:
    """Start it with `open()`, end it with `close()`. `say` gets a line for people before each step."""

    def __init__(self, options: StackOptions, settings: Settings, say: Callable[[str], None]) -> None:
        self.options, self._given, self.say = options, settings, say
        self.directory = options.data_dir.absolute()
        self.supervisor = Supervisor(self.directory)
        self.clock: Clock = Clock.real()
        self.settings = settings
        self.addresses: dict[str, str] = {}
        self._ports: dict[str, int] = {}
        self._held = False

    @property
    def truth_file(self) -> Path:
        return self.directory / "simulator-truth.ndjson"

    def open(self) -> None:
        """Raises Misconfigured when something is missing or runs here already."""
        self.supervisor.open()
        self.clock = load_or_start(self.directory / "clock.json", self.options.speed)
        self.keep_clock()
        (self.directory / HOLD).unlink(missing_ok=True)
        environment = self._servers()
        self._ports = self._choose_ports()
        environment |= self._addresses_of_services()
        self.settings = load_settings(environ={**os.environ, **environment})
        self.say("creating topics and tables")
        ensure_topics(self.settings)
        migrate(self.settings)
        self.say("starting simulator, connector, intake, workers and sink")
        self._start_services(environment)
        self._remember()

    def close(self) -> None:
        self.keep_clock()
        self.supervisor.stop()
        (self.directory / ADDRESSES).unlink(missing_ok=True)

    def keep_clock(self) -> None:
        """To be called at least every `CLOCK_SAVE_S`."""
        self.clock.save(self.directory / "clock.json", ahead_real_s=2 * CLOCK_SAVE_S)

    def raise_failures(self) -> None:
        """Raises Misconfigured when a part has ended because a person must act."""
        for part in self.supervisor.failures():
            raise Misconfigured(MisconfiguredCode.SETTING, f"{part.name} cannot run: {part.detail}")

    def obey_hold(self) -> None:
        """Stop the workers while the hold file is there (see `agents/replay.py`), start them when it is gone."""
        held = (self.directory / HOLD).exists()
        if held == self._held:
            return
        self._held = held
        for number in range(1, self.options.workers + 1):
            name = f"worker-{number}"
            if held:
                self.supervisor.stop_part(name)
            else:
                self.supervisor.start_part(name)

    def stop_sources(self) -> None:
        """The intake last: its ticks still have to tell that the last windows are over."""
        for name in SOURCES:
            self.supervisor.stop_part(name)
        time.sleep(TICKS_S)
        self.supervisor.stop_part("intake")

    def _servers(self) -> dict[str, str]:
        """Starts what is not given from outside; both at once."""
        environment = {"PULSE_CLOCK": self.clock.to_environment(), "PULSE_DATA_DIR": str(self.directory)}
        broker = server = None
        if not self._given.kafka.external:
            self.say("starting Kafka")
            broker = KafkaBroker(self.directory / "kafka", port=_usual(KAFKA_PORT), progress=self.say)
            self.supervisor.adopt("kafka", broker)
        if not self._given.clickhouse.external:
            self.say("starting ClickHouse")
            server = ClickHouseServer(self.directory / "clickhouse", http_port=_usual(CLICKHOUSE_PORT))
            self.supervisor.adopt("clickhouse", server)
        if broker is not None:
            broker.wait_ready()
            environment["KAFKA_BOOTSTRAP_SERVERS"] = broker.address
        if server is not None:
            server.wait_ready()
            environment["PULSE_CLICKHOUSE__PORT"] = str(server.http_port)
        return environment

    def _choose_ports(self) -> dict[str, int]:
        wanted = dict(PORTS) | {f"worker-{number}": 0 for number in range(1, self.options.workers + 1)}
        wanted["intake"] = (
            self._given.intake.port if "port" in self._given.intake.model_fields_set else _usual(INTAKE_PORT)
        )
        return choose_ports(self.directory / "ports.json", wanted)

    def _addresses_of_services(self) -> dict[str, str]:
        simulator = f"http://{HOST}:{self._ports['simulator']}"
        return {
            "PULSE_GOOGLE_ADS__ENABLED": "true",
            "PULSE_GOOGLE_ADS__BASE_URL": simulator,
            "PULSE_GOOGLE_ADS__TOKEN_URL": f"{simulator}/token",
            "PULSE_GOOGLE_ADS__CLIENT_ID": "sim-client",
            "PULSE_GOOGLE_ADS__CLIENT_SECRET": "sim-secret",
            "PULSE_GOOGLE_ADS__REFRESH_TOKEN": "sim-refresh",
            "PULSE_GOOGLE_ADS__LOGIN_CUSTOMER_ID": MANAGER,
            # A platform would be asked every quarter of an hour; the simulator does not mind.
            "PULSE_GOOGLE_ADS__INTERVAL_S": str(max(60.0, 10.0 * self.options.speed)),
            "PULSE_GOOGLE_ADS__REQUESTS_PER_SECOND": "50",
            "PULSE_INTAKE__PORT": str(self._ports["intake"]),
        }

    def _start_services(self, environment: Mapping[str, str]) -> None:
        options, intake = self.options, f"http://{HOST}:{self._ports['intake']}/v1/events"
        self._service("sink", ["sink"], environment, {"PULSE_SINK__HTTP_PORT": str(self._ports["sink"])})
        for number in range(1, options.workers + 1):
            name = f"worker-{number}"
            own = {"PULSE_WORKER__INSTANCE": name, "PULSE_WORKER__HTTP_PORT": str(self._ports[name])}
            self._service(name, ["worker"], environment, own)
        self._service("intake", ["connect", "events"], environment, {})
        simulate = ["simulate", "--port", str(self._ports["simulator"]), "--seed", str(options.seed)]
        simulate += ["--truth", str(self.truth_file), "--events-url", intake]
        simulate += ["--events-rate", str(options.rate)]
        self._service("simulator", simulate, environment, {})
        own = {"PULSE_GOOGLE_ADS__HTTP_PORT": str(self._ports["google-ads"])}
        self._service("google-ads", ["connect", "google-ads"], environment, own)

    def _service(self, name: str, arguments: list[str], shared: Mapping[str, str], own: Mapping[str, str]) -> None:
        argv = [sys.executable, "-m", "agents.cli.main", *arguments]
        log_file = self.directory / "logs" / f"{name}.log"
        log_file.parent.mkdir(parents=True, exist_ok=True)
        self.supervisor.start(Supervised(name, argv, log_file, env={**os.environ, **shared, **own}))

    def _remember(self) -> None:
        settings = self.settings
        metrics = [f"worker-{n}" for n in range(1, self.options.workers + 1)] + ["sink", "google-ads"]
        self.addresses = {
            "kafka": settings.kafka.bootstrap_servers,
            "clickhouse": f"http://{settings.clickhouse.host}:{settings.clickhouse.port}",
            "intake": f"http://{HOST}:{self._ports['intake']}/v1/events",
            "simulator": f"http://{HOST}:{self._ports['simulator']}",
            "metrics:intake": f"http://{HOST}:{self._ports['intake']}/metrics",
            **{f"metrics:{name}": f"http://{HOST}:{self._ports[name]}/metrics" for name in metrics},
        }
        remembered = {
            "addresses": self.addresses,
            "clock": self.clock.to_environment(),
            "workers": self.options.workers,
        }
        (self.directory / ADDRESSES).write_bytes(orjson.dumps(remembered))


def _usual(port: int) -> int:
    """The port everybody knows, if it is free; 0, which finds another, if something has it already."""
    return port if is_free(port) else 0


def environment_of(directory: Path) -> dict[str, str] | None:
    """The settings of the system that runs over this directory, as environment; None when none runs."""
    if read_owner(directory) is None:
        return None  # a file that a killed system left says nothing of what runs now
    try:
        remembered = orjson.loads((directory / ADDRESSES).read_bytes())
    except FileNotFoundError:
        return None
    addresses = remembered["addresses"]
    host, _, port = addresses["clickhouse"].removeprefix("http://").rpartition(":")
    return {
        "KAFKA_BOOTSTRAP_SERVERS": addresses["kafka"],
        "PULSE_CLICKHOUSE__HOST": host,
        "PULSE_CLICKHOUSE__PORT": port,
        "PULSE_DATA_DIR": str(directory),
        "PULSE_CLOCK": remembered["clock"],
    }
