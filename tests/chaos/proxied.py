"""Puts a proxy between our processes and the broker or ClickHouse, before they start; the test itself goes past it."""

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
    """What is started from now on reaches the broker through the proxy, whatever the broker calls itself.

    The broker is started again with a listener of its own for the proxy: a client goes where the broker says it is.
    """
    kafka = running.kafka
    ports = kafka._ports
    behind = choose_ports(running.directory / "proxy-ports.json", {"behind": 0})["behind"]
    proxy = SlowProxy(behind)
    own = f"PLAINTEXT://{HOST}:{ports['broker']},CONTROLLER://{HOST}:{ports['controller']}"
    kafka._overrides |= {
        "listeners": f"{own},{LISTENER}://{HOST}:{behind}",
        "advertised.listeners": f"{own},{LISTENER}://{HOST}:{proxy.port}",
        "listener.security.protocol.map": f"PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{LISTENER}:PLAINTEXT",
    }
    running.supervisor.stop_part("kafka")
    running.supervisor.start_part("kafka")
    kafka.wait_ready()
    running.environment["KAFKA_BOOTSTRAP_SERVERS"] = f"{HOST}:{proxy.port}"
    return proxy


def sink_port(running: System) -> int:
    """The sink that is started from now on has its metrics there."""
    port = choose_ports(running.directory / "sink-port.json", {"sink": 0})["sink"]
    running.environment["PULSE_SINK__HTTP_PORT"] = str(port)
    return port
