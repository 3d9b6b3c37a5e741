"""A TCP proxy on the loopback that can be cut and slowed: the network between a part of ours and a server."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from connectors.local.ports import HOST

CHUNK_BYTES = 64 << 10
START_LIMIT_S = 10.0


class SlowProxy:
    """Forwards `port` to `target_port`, both on the loopback, in a thread of its own, until `close`.

    `delay_s`: how long an answer is kept back, counted from the request that it follows. `on_request` gets each piece
    of a request as it goes through, in the proxy's thread. Thread-safe.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.delay_s = 0.0
        self.on_request: Callable[[bytes], None] | None = None
        self.connections = 0  # all that were ever accepted
        self._loop = asyncio.new_event_loop()
        self._passing: asyncio.Event | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="slow proxy", daemon=True)
        self._thread.start()
        self._server: asyncio.Server = self._ask(self._open())

    def hold(self) -> None:
        """Nothing goes through any more, and nobody is told: connections stay, new ones are taken and hear nothing."""
        self._ask(self._set_passing(on=False))

    def release(self) -> None:
        """What was held goes on its way, as after a network that comes back."""
        self._ask(self._set_passing(on=True))

    def break_off(self) -> None:
        """Every connection is reset; new ones are taken."""
        self._ask(self._reset())

    def close(self) -> None:
        if self._thread.is_alive():
            self._ask(self._shut())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(START_LIMIT_S)

    def _ask(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(START_LIMIT_S)

    async def _open(self) -> asyncio.Server:
        self._passing = asyncio.Event()
        self._passing.set()
        server = await asyncio.start_server(self._connected, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _set_passing(self, *, on: bool) -> None:
        assert self._passing is not None
        if on:
            self._passing.set()
        else:
            self._passing.clear()

    async def _reset(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _shut(self) -> None:
        self._server.close()
        await self._reset()
        await self._set_passing(on=True)
        self.delay_s = 0.0
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=START_LIMIT_S / 2)  # each ends with its connection

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._passing is not None
        self.connections += 1
        self._writers.add(writer)
        await self._passing.wait()
        try:
            away_reader, away_writer = await asyncio.open_connection(HOST, self.target_port)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(away_writer)
        asked = _Asked()
        pumps = [
            asyncio.ensure_future(self._there(reader, away_writer, asked)),
            asyncio.ensure_future(self._back(away_reader, writer, asked)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            for end in (writer, away_writer):
                self._writers.discard(end)
                end.close()

    async def _there(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: "_Asked") -> None:
        assert self._passing is not None
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                await self._passing.wait()
                asked.at_s = self._loop.time()
                if self.on_request is not None:
                    self.on_request(chunk)
                writer.write(chunk)
                await writer.drain()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: "_Asked") -> None:
        assert self._passing is not None
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                early_s = asked.at_s + self.delay_s - self._loop.time()
                if early_s > 0:
                    await asyncio.sleep(early_s)
                await self._passing.wait()
                writer.write(chunk)
                await writer.drain()


class _Asked:
    """When the last piece of a request went through, on the loop's clock."""

    __slots__ = ("at_s",)

    def __init__(self) -> None:
        self.at_s = 0.0
