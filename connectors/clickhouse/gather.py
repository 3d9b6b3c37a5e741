"""Blocks of several partitions that become ready together go into a table in one insert.

What an insert costs ClickHouse is hardly its rows: it is a part of some 50 columns and a dozen files, to be written
and merged later. Lanes leave at the same instants (`lane.py`), so what one of them has ready waits for its neighbours
as long as they are being prepared, and no longer. Blocks stay what they are: each has its range in the ledger, and a
token of its own within the token of the insert.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from schemas.table import Table

TOGETHER_BYTES = 4 << 20  # a block as large as that, or what has come together to it, waits for nobody
Send = Callable[[Table, list[Any], str], Awaitable[None]]


@dataclass(slots=True)
class _Gathered:
    """Arrow tables of one ClickHouse table, the tokens of their blocks, and who waits for them."""

    arrows: list[Any] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    stored: list[asyncio.Future[None]] = field(default_factory=list)
    bytes: int = 0


class Gathering:
    """`send(table, arrows, token)` inserts, and returns when that is acknowledged."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._preparing: dict[str, int] = {}  # table -> blocks that may still bring rows for it
        self._waiting: dict[str, _Gathered] = {}
        self._sending: set[asyncio.Task[None]] = set()

    @contextmanager
    def preparing(self, tables: Iterable[Table]) -> Iterator[None]:
        """A block for these tables is being prepared; within, `add` what it comes to."""
        tables = list(tables)
        for table in tables:
            self._preparing[table.name] = self._preparing.get(table.name, 0) + 1
        try:
            yield
        finally:
            for table in tables:
                self._preparing[table.name] -= 1
                self._leave(table)

    def add(self, table: Table, arrow: Any, token: str) -> asyncio.Future[None]:
        """Done when the rows are acknowledged; fails as `send` does."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gathered = self._waiting.setdefault(table.name, _Gathered())
        gathered.arrows.append(arrow)
        gathered.tokens.append(token)
        gathered.stored.append(stored)
        gathered.bytes += arrow.nbytes
        return stored

    def close(self) -> None:
        """Ends what is being sent."""
        for task in self._sending:
            task.cancel()

    def _leave(self, table: Table) -> None:
        gathered = self._waiting.get(table.name)
        if gathered is None or (self._preparing[table.name] and gathered.bytes < TOGETHER_BYTES):
            return
        del self._waiting[table.name]
        task = asyncio.get_running_loop().create_task(self._store(table, gathered))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _store(self, table: Table, gathered: _Gathered) -> None:
        try:
            await self._send(table, gathered.arrows, ",".join(gathered.tokens))
        except asyncio.CancelledError:
            for stored in gathered.stored:
                stored.cancel()
            raise
        except Exception as error:  # noqa: BLE001 (whatever it is, it belongs to those who wait)
            for stored in gathered.stored:
                if not stored.done():
                    stored.set_exception(error)
        else:
            for stored in gathered.stored:
                if not stored.done():
                    stored.set_result(None)
