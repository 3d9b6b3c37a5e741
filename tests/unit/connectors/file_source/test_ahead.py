"""Reading ahead: rows in order and all of them, while everything else goes on."""

import asyncio
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from connectors.file_source.ahead import ROWS, RowsAhead
from connectors.file_source.rows import Row, RowFile
from pipeline.errors import Misconfigured


def file_of(tmp_path: Path, rows: int) -> RowFile:
    path = tmp_path / "a.ndjson"
    path.write_text("".join(f'{{"a":{number}}}\n' for number in range(rows)))
    return RowFile(path)


async def numbers(rows: RowsAhead) -> list[int]:
    found: list[int] = []
    while (row := await rows.next()) is not None:
        found.append(row.number)
    return found


@pytest.mark.parametrize("count", [0, 1, ROWS, 2 * ROWS + 1])
async def test_rows_come_in_order_and_all_of_them(tmp_path: Path, count: int) -> None:
    assert await numbers(RowsAhead(file_of(tmp_path, count), asyncio.Event())) == list(range(count))


@pytest.mark.parametrize(("count", "passed"), [(0, 0), (7, 7), (20, 10)])
async def test_rows_that_were_written_before_are_passed_over(tmp_path: Path, count: int, passed: int) -> None:
    rows = RowsAhead(file_of(tmp_path, 10), asyncio.Event())
    assert await rows.skip(count) == passed
    assert await numbers(rows) == list(range(passed, 10))


async def test_after_a_stop_nothing_is_passed_over(tmp_path: Path) -> None:
    stop = asyncio.Event()
    stop.set()
    assert await RowsAhead(file_of(tmp_path, 10), stop).skip(5) == 0


class SlowFile(RowFile):
    """One row, after half a second unless it is given up before; `given_up` whether it was."""

    given_up = False

    def rows(self, given_up: Callable[[], bool] = lambda: False) -> Generator[Row, None, None]:
        until = time.monotonic() + 0.5
        while time.monotonic() < until and not self.given_up:
            time.sleep(0.01)
            self.given_up = given_up()
        yield Row(0, b"{}", {})


async def test_others_go_on_while_a_line_is_read_and_a_stop_ends_it(tmp_path: Path) -> None:
    stop, file = asyncio.Event(), SlowFile(tmp_path / "a.ndjson")
    reading = asyncio.ensure_future(RowsAhead(file, stop).next())
    await asyncio.sleep(0.05)
    assert not reading.done()
    stop.set()
    assert await reading is not None
    assert file.given_up


async def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        await RowsAhead(RowFile(tmp_path / "none.ndjson"), asyncio.Event()).next()
