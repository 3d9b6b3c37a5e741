"""Running the intake: HTTP on one port, a tick a second to every partition, until a stop is asked for."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from connectors import telemetry
from connectors.clock import Clock
from connectors.intake.app import ACK_WAIT_S, create_app
from connectors.kafka_producer import start_producer
from connectors.record_stream import RecordStream
from connectors.settings import Settings
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured, Transient
from schemas.topics import RAW_EVENTS

GRACE_S = 1  # for acknowledgements under way; then as long again for answering those who wait
_BACKLOG = 1024
_HEALTH = "kafka"
log = telemetry.log(__name__)


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _BrokerState:
    """Says once in the log, and always in the health, whether the broker takes events."""

    def __init__(self) -> None:
        self._failure: str | None = "connecting"
        telemetry.health.expect(_HEALTH, "connecting")

    def __call__(self, failure: str) -> None:
        if failure and self._failure in {"", "connecting"}:
            log.warning("broker away", detail=failure)
        elif not failure and self._failure:
            log.info("broker takes events")
        self._failure = failure
        telemetry.health.set(_HEALTH, ok=not failure, detail=failure)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises Misconfigured(PORT_IN_USE)."""
    # asyncio turns off the delay of small packets only for a socket that names its protocol.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise Misconfigured(
            MisconfiguredCode.PORT_IN_USE,
            f"The intake cannot listen on {host}:{port} ({error.strerror}); set intake.host and intake.port.",
        ) from None
    sock.listen(_BACKLOG)
    return sock


async def serve(
    settings: Settings,
    clock: Clock,
    sock: socket.socket,
    *,
    stop: asyncio.Event,
    topic: str = RAW_EVENTS,
    ack_wait_s: float = ACK_WAIT_S,
) -> None:
    """Serves on the bound socket until `stop` is set; ends within three seconds of it.

    Starts while the broker is away and answers 503 until it is there. Raises Misconfigured when the topic is missing
    or has another number of partitions.
    """
    state = _BrokerState()
    stream = RecordStream(lambda: start_producer(settings), partitions=settings.partitions, topic=topic, on_state=state)
    stream.open()
    server = _Server(
        uvicorn.Config(
            create_app(settings.intake, stream, clock.now_ms, ack_wait_s=ack_wait_s),
            log_level="warning",
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=2 * GRACE_S,
            server_header=False,
        )
    )
    serving = asyncio.ensure_future(server.serve(sockets=[sock]))
    others = {
        asyncio.ensure_future(stop.wait()),
        asyncio.ensure_future(stream.ended()),
        asyncio.ensure_future(_tick(stream, clock, settings.intake.tick_s, state, stop, ack_wait_s)),
    }
    try:
        done, _ = await asyncio.wait({serving, *others}, return_when=asyncio.FIRST_COMPLETED)
        for part in done:
            part.result()
        if serving in done and not stop.is_set():
            raise RuntimeError("the server ended without being asked to")
    finally:
        stop.set()
        server.should_exit = True
        await asyncio.wait({serving}, timeout=GRACE_S)
        await stream.close()  # whoever still waits is answered 503 now
        await asyncio.wait({serving}, timeout=GRACE_S)
        for part in (serving, *others):
            part.cancel()
        await asyncio.gather(serving, *others, return_exceptions=True)


async def _tick(
    stream: RecordStream, clock: Clock, every_s: float, state: _BrokerState, stop: asyncio.Event, wait_s: float
) -> None:
    """Says to every partition how far time has come, so that quiet windows end. Real seconds."""
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while not stop.is_set():
        try:
            async with asyncio.timeout(wait_s):
                await stream.tick(clock.now_ms())
        except TimeoutError:
            state(f"no acknowledgement for {wait_s:g} s")
        except Transient as error:
            log.debug("tick not written", detail=str(error))
        due_s = max(due_s + every_s, loop.time())
        await asyncio.sleep(due_s - loop.time())
