"""What `pulse up` tells its parts and those who ask later, without starting anything."""

from pathlib import Path
from typing import Any

import orjson

from agents.local_stack import ADDRESSES, PORTS, LocalStack, StackOptions, environment_of
from agents.replay import HOLD
from connectors.settings import load_settings


def stack(directory: Path, *, workers: int = 2, **environ: str) -> LocalStack:
    options = StackOptions(directory, workers=workers)
    return LocalStack(
        options, load_settings(environ={"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", **environ}), lambda _: None
    )


class Parts:
    """In the place of the supervisor: what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def stop_part(self, name: str) -> None:
        self.asked.append(("stop", name))

    def start_part(self, name: str) -> None:
        self.asked.append(("start", name))


def with_parts(made: LocalStack) -> Parts:
    parts: Any = Parts()
    made.supervisor = parts
    found: Parts = parts
    return found


def test_every_service_and_worker_has_a_port_of_its_own_that_is_kept(tmp_path: Path) -> None:
    first = stack(tmp_path, workers=3)._choose_ports()
    assert set(first) == {*PORTS, "worker-1", "worker-2", "worker-3"}
    assert len(set(first.values())) == len(first)
    assert stack(tmp_path, workers=3)._choose_ports() == first


def test_a_port_that_was_asked_for_is_the_intakes(tmp_path: Path) -> None:
    from connectors.local.ports import choose_ports

    free = choose_ports(tmp_path / "free.json", {"one": 0})["one"]
    assert stack(tmp_path, PULSE_INTAKE__PORT=str(free))._choose_ports()["intake"] == free


def test_what_the_parts_are_told_is_a_configuration_they_accept(tmp_path: Path) -> None:
    made = stack(tmp_path)
    made._ports = made._choose_ports()
    settings = load_settings(environ=made._addresses_of_services())
    assert settings.google_ads.base_url == f"http://127.0.0.1:{made._ports['simulator']}"
    assert settings.intake.port == made._ports["intake"]


def test_those_who_ask_later_get_the_same_addresses_and_clock(tmp_path: Path) -> None:
    assert environment_of(tmp_path) is None
    made = stack(tmp_path, PULSE_CLICKHOUSE__HOST="db.example", PULSE_CLICKHOUSE__PORT="8999")
    made.settings = made._given
    made._ports = made._choose_ports()
    made._remember()
    assert environment_of(tmp_path) is None  # nobody runs there: the file was left behind
    with made.supervisor:
        remembered = environment_of(tmp_path)
    assert remembered is not None
    settings = load_settings(environ=remembered)
    assert settings.kafka.bootstrap_servers == "kafka:9092"
    assert (settings.clickhouse.host, settings.clickhouse.port) == ("db.example", 8999)
    assert remembered["PULSE_CLOCK"] == made.clock.to_environment()
    addresses = orjson.loads((tmp_path / ADDRESSES).read_bytes())["addresses"]
    parts = {name.partition(":")[2] for name in addresses if name.startswith("metrics:")}
    assert parts == {"worker-1", "worker-2", "sink", "google-ads", "intake"}


def test_the_hold_file_stops_the_workers_once_and_its_end_starts_them_once(tmp_path: Path) -> None:
    made = stack(tmp_path)
    parts = with_parts(made)
    made.obey_hold()
    (tmp_path / HOLD).touch()
    made.obey_hold()
    made.obey_hold()
    assert parts.asked == [("stop", "worker-1"), ("stop", "worker-2")]
    (tmp_path / HOLD).unlink()
    made.obey_hold()
    made.obey_hold()
    assert parts.asked[2:] == [("start", "worker-1"), ("start", "worker-2")]


def test_the_sources_end_first_and_nothing_else_with_them(tmp_path: Path) -> None:
    made = stack(tmp_path)
    parts = with_parts(made)
    made.stop_sources()
    assert {name for _, name in parts.asked} == {"simulator", "google-ads", "intake"}
