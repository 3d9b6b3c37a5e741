"""A real ClickHouse server on this machine, out of the chdb-core wheel, in a process of its own."""

import http.client
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from connectors.local.engine import Command, Engine
from connectors.local.ports import HOST, answers

ANSWER_LIMIT_S = 5.0
SELF_TEST = "SELECT 1, version(), getServerSetting('path') FORMAT TabSeparatedRaw"
REPOSITORY = Path(__file__).resolve().parents[2]


class ClickHouseServer(Engine):
    """A server over `directory`; see `Engine` for its life. HTTP and native protocol; user `default`, no password,
    loopback only. A port of 0 finds a free one."""

    name = "clickhouse"

    def __init__(
        self,
        directory: Path,
        *,
        http_port: int = 0,
        tcp_port: int = 0,
        memory_bytes: int = 2 * 1024**3,
    ) -> None:
        super().__init__(directory, {"http": http_port, "tcp": tcp_port})
        self._memory_bytes = memory_bytes
        self._version = ""

    @property
    def http_port(self) -> int:
        return self._port("http")

    @property
    def tcp_port(self) -> int:
        return self._port("tcp")

    @property
    def url(self) -> str:
        """The HTTP interface: queries by POST, `/play` for people."""
        return f"http://{HOST}:{self.http_port}"

    @property
    def version(self) -> str:
        """The engine's version; empty before it has answered."""
        return self._version

    def _command(self, ports: Mapping[str, int]) -> Command:
        program = [sys.executable, "-m", "connectors.local.clickhouse_process", str(self.directory)]
        arguments = [str(ports["http"]), str(ports["tcp"]), str(self._memory_bytes)]
        return Command([*program, *arguments], cwd=REPOSITORY)

    def _answers(self) -> bool:
        """The self-test of every start: a query runs, over our data and not a stranger's, and both ports are open."""
        if not (self.alive and answers(self.http_port) and answers(self.tcp_port)):
            return False
        request = urllib.request.Request(self.url, data=SELF_TEST.encode())  # noqa: S310 (always http, loopback)
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_LIMIT_S) as response:  # noqa: S310
                one, version, path = response.read().decode().rstrip("\n").split("\t")
        except (OSError, http.client.HTTPException, ValueError):
            return False
        self._version = version
        return one == "1" and Path(path) == self.directory / "data"
