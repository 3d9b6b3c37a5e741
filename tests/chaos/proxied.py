"""Puts a proxy between our processes and the broker or ClickHouse, before they start; the test itself goes past it."""

from pathlib import Path

from connectors.local.kafka_broker import KafkaBroker
from connectors.local.ports import HOST, choose_ports
from tests.chaos.slow_proxy import SlowProxy
from tests.system import System

LISTENER = "BEHIND"  # a second listener of the broker, which tells clients the proxy's port


def clickhouse_behind(running: System) -> SlowProxy:
    """What is started from now on reaches ClickHouse through the proxy."""
    proxy = SlowProxy(running.clickhouse.http_port)
    running.environment["PULSE_CLICKHOUSE__PORT"] = str(proxy.port)
    return proxy


def kafka_behind(running: System) -> SlowProxy:
    """What is started from now on reaches the broker through the proxy, whatever the broker calls itself."""
    proxy = listener_behind(running.kafka, running.directory / "proxy-ports.json")
    running.supervisor.stop_part("kafka")
    running.supervisor.start_part("kafka")
    running.kafka.wait_ready()
    running.environment["KAFKA_BOOTSTRAP_SERVERS"] = f"{HOST}:{proxy.port}"
    return proxy


def listener_behind(kafka: KafkaBroker, ports_file: Path) -> SlowProxy:
    """A proxy to a listener of its own, which the broker has from its next start on: a client goes where it is told."""
    ports = kafka._ports
    behind = choose_ports(ports_file, {"behind": 0})["behind"]
    proxy = SlowProxy(behind)
    own = f"PLAINTEXT://{HOST}:{ports['broker']},CONTROLLER://{HOST}:{ports['controller']}"
    kafka._overrides |= {
        "listeners": f"{own},{LISTENER}://{HOST}:{behind}",
        "advertised.listeners": f"{own},{LISTENER}://{HOST}:{proxy.port}",
        "listener.security.protocol.map": f"PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{LISTENER}:PLAINTEXT",
    }
    return proxy


def sink_port(running: System) -> int:
    """The sink that is started from now on has its metrics there."""
    port = choose_ports(running.directory / "sink-port.json", {"sink": 0})["sink"]
    running.environment["PULSE_SINK__HTTP_PORT"] = str(port)
    return port
