"""Ports of a data directory: wanted, remembered, or free."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connectors.local.ports import HIGHEST, HOST, LOWEST, answers, choose_ports, is_free
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured


@contextmanager
def listening(port: int = 0) -> Iterator[int]:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((HOST, port))
        server.listen()
        yield server.getsockname()[1]


def test_a_second_choice_takes_the_same_ports(tmp_path: Path) -> None:
    remembered = tmp_path / "data" / "ports.json"
    first = choose_ports(remembered, {"http": 0, "tcp": 0})
    assert len(set(first.values())) == 2
    assert choose_ports(remembered, {"http": 0, "tcp": 0}) == first


def test_free_ports_lie_below_the_range_clients_get_theirs_from(tmp_path: Path) -> None:
    chosen = choose_ports(tmp_path / "ports.json", {str(n): 0 for n in range(50)})
    assert len(set(chosen.values())) == 50
    assert all(LOWEST <= port <= HIGHEST for port in chosen.values())


def test_only_the_remembered_port_that_is_taken_changes(tmp_path: Path) -> None:
    remembered = tmp_path / "ports.json"
    first = choose_ports(remembered, {"http": 0, "tcp": 0})
    with listening(first["http"]):
        second = choose_ports(remembered, {"http": 0, "tcp": 0})
    assert second["http"] != first["http"]
    assert second["tcp"] == first["tcp"]
    assert choose_ports(remembered, {"http": 0, "tcp": 0}) == second


def test_a_wanted_port_wins_over_the_remembered_one(tmp_path: Path) -> None:
    remembered = tmp_path / "ports.json"
    wanted = choose_ports(tmp_path / "other.json", {"http": 0})["http"]
    choose_ports(remembered, {"http": 0})
    assert choose_ports(remembered, {"http": wanted}) == {"http": wanted}


def test_a_wanted_port_that_is_taken_is_refused_by_number_and_name(tmp_path: Path) -> None:
    with listening() as port, pytest.raises(Misconfigured, match=rf"Port {port} .*\(http\) is taken") as refused:
        choose_ports(tmp_path / "ports.json", {"http": port})
    assert refused.value.code == MisconfiguredCode.PORT_IN_USE


@pytest.mark.parametrize("content", [b"", b"[]", b'{"http": "x"}', b"{"])
def test_a_damaged_memory_costs_only_new_numbers(tmp_path: Path, content: bytes) -> None:
    remembered = tmp_path / "ports.json"
    remembered.write_bytes(content)
    assert LOWEST <= choose_ports(remembered, {"http": 0})["http"] <= HIGHEST


def test_lingering_connections_of_an_ended_server_do_not_make_a_port_taken() -> None:
    with listening() as port:
        client = socket.create_connection((HOST, port))
        assert not is_free(port)
        assert answers(port)
    assert is_free(port)
    assert not answers(port)
    client.close()
