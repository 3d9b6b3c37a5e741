"""`pulse connect events`: the event intake, until told to stop."""

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from connectors.clock import Clock
    from connectors.settings import Settings


def events() -> None:
    """Take events over HTTP (POST /v1/events) until told to stop; also says the time to every partition."""
    from connectors import telemetry
    from connectors.clock import Clock
    from connectors.intake.server import listen
    from connectors.settings import load_settings

    settings = load_settings()
    telemetry.configure_logging(settings.log_level, json=not sys.stderr.isatty())
    clock = Clock.from_environment(os.environ)
    sock = listen(settings.intake.host, settings.intake.port)
    telemetry.log(__name__).info("intake listens", address="http://{}:{}/v1/events".format(*sock.getsockname()[:2]))
    asyncio.run(_until_signal(settings, clock, sock))


async def _until_signal(settings: "Settings", clock: "Clock", sock: "socket.socket") -> None:
    from connectors.intake.server import serve

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(settings, clock, sock, stop=stop)
