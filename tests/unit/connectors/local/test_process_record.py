"""A written process is found again, and no other one is taken for it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from connectors.local.process_record import ProcessRecord, read_records, record_of, write_records


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def record(process: subprocess.Popen[bytes]) -> ProcessRecord:
    made = record_of("sleeper", process.pid)
    assert made is not None
    return made


def test_a_record_survives_the_file(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    path = tmp_path / "processes.json"
    write_records(path, [record(sleeper)])
    assert read_records(path) == [record(sleeper)]
    assert read_records(path)[0].alive


def test_end_ends_it(sleeper: subprocess.Popen[bytes]) -> None:
    written = record(sleeper)
    written.end()
    assert not written.alive
    assert record_of("sleeper", sleeper.pid) is None


def test_a_process_id_that_was_given_to_another_is_left_alone(sleeper: subprocess.Popen[bytes]) -> None:
    older = msgspec.structs.replace(record(sleeper), born_s=record(sleeper).born_s - 60)
    assert not older.alive
    older.end()
    assert sleeper.poll() is None


def test_there_is_no_record_of_a_process_that_has_ended(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    sleeper.wait()
    assert record_of("sleeper", sleeper.pid) is None


@pytest.mark.parametrize("content", [b"", b"{}", b'[{"name": 1}]'])
def test_a_damaged_file_reads_as_empty(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "processes.json"
    assert read_records(path) == []
    path.write_bytes(content)
    assert read_records(path) == []
