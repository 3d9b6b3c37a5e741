"""The ClickHouse server of the chdb-core wheel, as a program.

`python -m connectors.local.clickhouse_process DIRECTORY HTTP_PORT TCP_PORT MEMORY_BYTES`

`chdb._chdb.query` runs ClickHouse's LocalServer, and its SYSTEM START LISTEN opens the ports; the
query then reads a FIFO, which keeps it (and so the server) alive without using the processor.
The API is private: chdb-core is pinned, and a start proves that it is there.
Ends at SIGTERM or SIGINT with 0; with 78 when the installed wheel lacks the API, with 1 when the engine
fails (a port taken, a directory locked); both after a sentence that says why.
"""

import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import NoReturn

from connectors.niceness import give_way

FIFO = "stop.fifo"
SERVE_SQL = (
    "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; "  # two statements, then the one that stays
    "SELECT * FROM file('stop.fifo', LineAsString)"
)
# With a connection still open, the engine waits 5 s for its end and then leaves at once. What is acknowledged
# is on disk by then, so we leave at once after less.
LEAVE_AFTER_S = 2.0
# Where one machine holds everything, who counts and alerts goes first: inserts come in bursts, and a row may wait.
NICENESS = 10
EXIT_MISCONFIGURED = 78
EXIT_FAILED = 1

CONFIG = """<clickhouse>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{http_port}</http_port>
  <tcp_port>{tcp_port}</tcp_port>
  <max_server_memory_usage>{memory_bytes}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <max_concurrent_queries>100</max_concurrent_queries>
  <background_pool_size>4</background_pool_size>
  <merge_tree>
    <!-- Without a window the engine takes a block that is sent twice, twice. -->
    <non_replicated_deduplication_window>10000</non_replicated_deduplication_window>
    <!-- The defaults want a pool of 16: with 4 the server refuses to start. -->
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>2</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_mutation>2</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>2</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>
</clickhouse>
"""


def main(directory: Path, http_port: int, tcp_port: int, memory_bytes: int) -> NoReturn:
    """Serves until told to stop."""
    give_way(NICENESS)
    _prepare(directory, http_port, tcp_port, memory_bytes)
    stop = threading.Event()
    failures: list[tuple[int, str]] = []

    def asked_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked_to_stop)
    server = threading.Thread(target=_serve, args=(directory, stop, failures), name="clickhouse", daemon=True)
    server.start()
    while not stop.wait(0.5):  # in slices: the interpreter sees a signal only between them
        continue
    if failures:
        exit_code, why = failures[0]
        sys.stderr.write(f"ClickHouse cannot serve on ports {http_port} and {tcp_port}: {why}\n")
        sys.stderr.flush()
        os._exit(exit_code)  # the engine's own threads may hang in an orderly exit
    if server.is_alive():
        _release(directory / FIFO)
        server.join(LEAVE_AFTER_S)
    os._exit(0)


def _prepare(directory: Path, http_port: int, tcp_port: int, memory_bytes: int) -> None:
    """The working directory as the engine wants it: config.xml, a FIFO, and a temporary directory swept clean."""
    directory.mkdir(parents=True, exist_ok=True)
    os.chdir(directory)
    config = CONFIG.format(http_port=http_port, tcp_port=tcp_port, memory_bytes=memory_bytes)
    (directory / "config.xml").write_text(config)
    temporary = directory / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)  # what a killed engine left behind
    temporary.mkdir()
    os.environ["TMPDIR"] = str(temporary)
    fifo = directory / FIFO
    fifo.unlink(missing_ok=True)
    os.mkfifo(fifo)


def _serve(directory: Path, stop: threading.Event, failures: list[tuple[int, str]]) -> None:
    try:
        import chdb  # so late, because it reads config.xml of the working directory

        query = chdb._chdb.query  # noqa: SLF001 (the only way to the engine's listeners)
    except (ImportError, AttributeError) as error:
        advice = "reinstall the version of chdb-core that pyproject.toml names"
        failures.append((EXIT_MISCONFIGURED, f"the installed wheel has no engine for us ({error!r}); {advice}"))
        stop.set()
        return
    try:
        query(SERVE_SQL, "TabSeparated", path=str(directory / "data"))
    except Exception as error:  # noqa: BLE001 (the engine raises bare exceptions; the process ends on any)
        failures.append((EXIT_FAILED, str(error)))
    finally:
        stop.set()


def _release(fifo: Path) -> None:
    """Ends the query that reads the FIFO."""
    try:
        handle = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return  # nobody reads yet: the engine is still starting
    os.write(handle, b"stop\n")
    os.close(handle)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), *map(int, sys.argv[2:5]))
