"""One worker process: joins the group, restores what it is given, counts and judges until told to stop."""

import asyncio
import gc
import signal
import sys

import faust
import uvloop

from agents.app import build_app
from agents.shell import Shell
from agents.stages import build_stages
from connectors import telemetry
from connectors.clock import Clock
from connectors.failpoints import failpoints
from connectors.kafka import consumer_config
from connectors.kafka_admin import topic_ids
from connectors.settings import Settings

COLLECTIONS = (100_000, 50, 100)


def run_worker(settings: Settings, clock: Clock) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit code. Raises Misconfigured before it has joined."""
    stages = build_stages(settings)
    names = {name for stage in stages for name in (stage.source, stage.changelog)}
    shell = Shell(
        stages,
        topic_ids=topic_ids(settings, sorted(names)),
        consumer_config=consumer_config(settings),
        session_s=settings.worker.session_s,
        partitions=settings.partitions,
        reach=failpoints(settings.worker.failpoints),
    )
    # Rows live long and form no cycles; to look through them as often as new ones come is a third of the work.
    gc.set_threshold(*COLLECTIONS)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # of the consumer's thread as well
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    telemetry.health.expect("restored", "waiting for partitions")
    shell.on_restored = lambda: telemetry.health.set("restored", ok=True)
    telemetry.serve_health(settings.worker.http_port, settings.health_host)
    app = build_app(settings, shell, clock)
    # Logging is configured already; Faust's own set-up leaves the root logger at DEBUG, a tenth of the processor.
    worker = faust.Worker(app, loop=loop, override_logging=False, redirect_stdouts=False)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        worker.execute_from_commandline()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.stdout.flush()
    return 0
