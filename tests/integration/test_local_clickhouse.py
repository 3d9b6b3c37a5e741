"""The local ClickHouse, for real: start, stop, kill, pause, and going on with the data each time."""

import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from connectors.local.clickhouse_server import ClickHouseServer
from connectors.local.ports import HOST, choose_ports
from connectors.local.process_record import record_of
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ClickHouseServer]:
    """A server of the test's own, which it may stop and kill."""
    own = ClickHouseServer(tmp_path / "clickhouse")
    own.start()
    own.wait_ready()
    yield own
    own.kill()


def ask(server: ClickHouseServer, sql: str, limit_s: float = 20.0) -> str:
    with urllib.request.urlopen(urllib.request.Request(server.url, data=sql.encode()), timeout=limit_s) as response:
        text: str = response.read().decode()
    return text.strip()


def make_table(server: ClickHouseServer, database: str = "pulse") -> None:
    ask(server, f"CREATE DATABASE {database}")
    ask(server, f"CREATE TABLE {database}.t (a Int64, v Int64) ENGINE = ReplacingMergeTree(v) ORDER BY a")


def test_the_sessions_server_answers_over_http(
    clickhouse_server: ClickHouseServer, clickhouse_http: int, unique_name: Callable[[str], str]
) -> None:
    assert clickhouse_server.url == f"http://127.0.0.1:{clickhouse_http}"
    assert ask(clickhouse_server, "SELECT version()") == clickhouse_server.version
    database = unique_name("db")
    make_table(clickhouse_server, database)
    ask(clickhouse_server, f"INSERT INTO {database}.t VALUES (1, 1), (1, 2)")
    assert ask(clickhouse_server, f"SELECT a, v FROM {database}.t FINAL") == "1\t2"


def test_the_native_port_speaks_the_native_protocol(clickhouse_server: ClickHouseServer) -> None:
    def text(value: str) -> bytes:
        return bytes([len(value)]) + value.encode()

    hello = b"\x00" + text("test") + bytes([26, 9]) + b"\x80\xa8\x03" + text("") + text("default") + text("")
    with socket.create_connection((HOST, clickhouse_server.tcp_port), timeout=10) as connection:
        connection.sendall(hello)
        answer = connection.recv(64)
    assert answer[0] == 0, "0 is Hello, 2 is an exception"
    assert b"ClickHouse" in answer


def test_settings_are_those_of_a_small_machine_with_insert_deduplication(clickhouse_server: ClickHouseServer) -> None:
    assert ask(clickhouse_server, "SELECT getServerSetting('max_server_memory_usage')") == str(2 * 1024**3)
    assert ask(clickhouse_server, "SELECT getServerSetting('mark_cache_size')") == str(64 * 1024**2)


def test_a_block_sent_twice_with_its_token_counts_once(
    clickhouse_server: ClickHouseServer, unique_name: Callable[[str], str]
) -> None:
    database = unique_name("db")
    ask(clickhouse_server, f"CREATE DATABASE {database}")
    ask(clickhouse_server, f"CREATE TABLE {database}.t (a Int64) ENGINE = MergeTree ORDER BY a")
    for token in ("x", "x", "y"):
        settings = f"insert_deduplication_token = '{token}'"
        ask(clickhouse_server, f"INSERT INTO {database}.t SETTINGS {settings} VALUES (1), (2)")
    assert ask(clickhouse_server, f"SELECT count() FROM {database}.t") == "4"


def test_a_stopped_server_leaves_no_process_and_goes_on_with_data_and_address(server: ClickHouseServer) -> None:
    make_table(server)
    ask(server, "INSERT INTO pulse.t VALUES (1, 1)")
    url, tcp_port, process = server.url, server.tcp_port, record_of("server", server.pid or 0)
    server.stop()
    assert process is not None
    assert not process.alive
    assert server.exit_code == 0
    again = ClickHouseServer(server.directory)
    again.start()
    try:
        again.wait_ready()
        assert (again.url, again.tcp_port) == (url, tcp_port)
        assert ask(again, "SELECT * FROM pulse.t") == "1\t1"
    finally:
        again.kill()


def test_after_kill_9_everything_acknowledged_is_there(server: ClickHouseServer) -> None:
    make_table(server)
    for block in range(20):
        ask(server, f"INSERT INTO pulse.t SELECT number + {block * 1000}, 1 FROM numbers(1000)")
    server.kill()
    assert server.exit_code == -signal.SIGKILL
    server.start()
    server.wait_ready()
    assert ask(server, "SELECT count(), uniqExact(a) FROM pulse.t") == "20000\t20000"


def test_what_a_killed_server_left_in_its_temporary_directory_is_swept(server: ClickHouseServer) -> None:
    server.kill()
    left_over = server.directory / "tmp" / "left.native"
    left_over.write_bytes(b"x")
    server.start()
    server.wait_ready()
    assert not left_over.exists()


def test_an_open_connection_delays_the_stop_by_no_more_than_the_grace(server: ClickHouseServer) -> None:
    with socket.create_connection((HOST, server.http_port)) as connection:
        connection.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n")
        assert b"200 OK" in connection.recv(500)
        begin_s = time.monotonic()
        server.stop()
        assert time.monotonic() - begin_s < 4.0
    assert server.exit_code == 0


def test_a_paused_server_is_silent_and_a_resumed_one_answers(server: ClickHouseServer) -> None:
    server.pause()
    with pytest.raises(TimeoutError):
        ask(server, "SELECT 1", limit_s=0.5)
    server.resume()
    assert ask(server, "SELECT 1") == "1"


def test_a_wanted_port_that_is_taken_is_named(server: ClickHouseServer, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=f"Port {server.http_port}") as refused:
        ClickHouseServer(tmp_path / "other", http_port=server.http_port).start()
    assert refused.value.code == MisconfiguredCode.PORT_IN_USE


def test_a_port_that_is_lost_just_before_the_start_is_chosen_anew(
    server: ClickHouseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Mapping[str, int]] = []

    def lose_the_first(remembered: Path, wanted: Mapping[str, int]) -> dict[str, int]:
        calls.append(wanted)
        return {**choose_ports(remembered, wanted), **({"http": server.http_port} if len(calls) == 1 else {})}

    monkeypatch.setattr("connectors.local.engine.choose_ports", lose_the_first)
    other = ClickHouseServer(tmp_path / "other")
    other.start()
    try:
        other.wait_ready()
        assert len(calls) == 2
        assert other.http_port != server.http_port
    finally:
        other.kill()


def test_a_server_that_others_know_by_its_address_does_not_move_away_from_it(server: ClickHouseServer) -> None:
    url, http_port = server.url, server.http_port
    server.kill()
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind((HOST, http_port))
        stranger.listen()
        with pytest.raises(Misconfigured) as refused:
            server.start()
    assert refused.value.code == MisconfiguredCode.PORT_IN_USE
    server.start()
    server.wait_ready()
    assert server.url == url


def test_a_second_server_over_the_same_directory_is_refused(server: ClickHouseServer) -> None:
    with pytest.raises(Misconfigured, match=f"process {server.pid}") as refused:
        ClickHouseServer(server.directory).start()
    assert refused.value.code == MisconfiguredCode.ALREADY_RUNNING
    assert ask(server, "SELECT 1") == "1"


def test_a_wheel_without_the_private_api_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wheel" / "chdb").mkdir(parents=True)
    (tmp_path / "wheel" / "chdb" / "__init__.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "wheel"))
    server = ClickHouseServer(tmp_path / "clickhouse")
    server.start()
    with pytest.raises(Misconfigured, match="reinstall the version of chdb-core that"):
        server.wait_ready()
    assert server.exit_code == 78
