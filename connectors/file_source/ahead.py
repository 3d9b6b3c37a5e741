"""Rows of a file, read in a thread some time ahead: a disk may be slow, and a packed line has no end one can see."""

import asyncio
from collections import deque
from itertools import islice

from connectors.file_source.rows import Row, RowFile

ROWS = 100  # at a time: a thread is asked seldom, and little is held of rows as long as they may be


class RowsAhead:
    """An open file; what reads goes on whatever is being read. After `stop` a reading ends soon, wherever it is."""

    def __init__(self, file: RowFile, stop: asyncio.Event) -> None:
        self._rows, self._stop = file.rows(given_up=stop.is_set), stop
        self._ahead: deque[Row] = deque()

    async def next(self) -> Row | None:
        """None at the end. Raises Misconfigured when the file cannot be read."""
        if not self._ahead:
            self._ahead.extend(await asyncio.to_thread(lambda: list(islice(self._rows, ROWS))))
        return self._ahead.popleft() if self._ahead else None

    async def skip(self, count: int) -> int:
        """Pass over so many rows; how many it were: fewer at the file's end, or after `stop`."""
        return await asyncio.to_thread(self._skip, count)

    def close(self) -> None:
        """Once nothing reads any more."""
        self._rows.close()

    def _skip(self, count: int) -> int:
        passed = 0
        while passed < count and not self._stop.is_set() and next(self._rows, None) is not None:
            passed += 1
        return passed
