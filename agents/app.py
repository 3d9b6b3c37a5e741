"""The Faust app of a worker: one agent per source topic, all around one shell."""

import asyncio
import threading
from typing import Any

import faust
from faust.types import TP

from agents.broker_watch import watch_broker
from agents.no_tables import NoTables
from agents.shell import Shell, die
from agents.transport import CoalescingApp, UndecodedTopic, coalesce
from connectors import telemetry
from connectors.clock import Clock
from connectors.kafka_producer import start_producer
from connectors.setting_sections import WorkerSettings
from connectors.settings import Settings
from schemas.topics import RAW_EVENTS, RAW_GOOGLE_ADS, TOTALS

REPORT_S = 5.0
log = telemetry.log(__name__)


def build_app(settings: Settings, shell: Shell, clock: Clock) -> faust.App:
    """Nothing is connected yet; `faust.Worker(app)` runs it. Every topic exists beforehand (`pulse migrate`)."""
    worker = settings.worker
    changelogs = {stage.changelog for stage in shell.stages.values()}
    coalesce({*shell.stages, *changelogs}, raw={RAW_EVENTS, RAW_GOOGLE_ADS, TOTALS, *changelogs})

    class WorkerApp(CoalescingApp):
        async def on_start(self) -> None:
            producer = await start_producer(settings)
            await shell.start(producer)
            threading.Thread(target=shell.keep_beating, name="beat", daemon=True).start()
            self.add_future(watch_broker(producer))
            await super().on_start()

    app = WorkerApp(
        worker.group,
        broker=[f"kafka://{address}" for address in settings.kafka.bootstrap_servers.split(",")],
        broker_credentials=settings.kafka.faust_credentials(),
        store="memory://",
        datadir=str(settings.data_dir / "faust"),
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=settings.partitions,
        TableManager=NoTables,
        table_standby_replicas=1,  # keeps Faust's assignor: equal partition numbers of all topics go to one worker
        consumer_auto_offset_reset="earliest",
        broker_max_poll_records=None,
        consumer_max_fetch_size=1 << 20,
        broker_session_timeout=worker.session_s,
        broker_heartbeat_interval=min(3.0, worker.session_s / 3),
        broker_request_timeout=max(30.0, worker.session_s * 3),
        broker_commit_interval=0.5,
        stream_buffer_maxsize=8,
        stream_wait_empty=True,
        consumer_group_instance_id=worker.instance or None,  # a stable name per slot: a restart rejoins at once
    )
    for topic in shell.stages:
        _attach(app, shell, topic, settings.worker)
    _hook(app, shell, clock)
    return app


def _attach(app: faust.App, shell: Shell, topic: str, settings: WorkerSettings) -> None:
    source = app.topic(topic, schema=UndecodedTopic())

    async def count(stream: Any) -> None:
        async for event in stream.noack().events():
            try:
                await shell.count(topic, event)
            except Exception as error:
                log.exception("counting failed", topic=topic)
                die(f"counting {topic} failed: {error!r}")

    async def publish() -> None:
        await shell.keep_publishing(topic, settings.publish_s)

    async def flush() -> None:
        await shell.keep_flushing(topic, settings.flush_s)

    app.agent(source, name=f"count_{topic}")(count)
    app.task(publish)
    app.task(flush)


def _hook(app: faust.App, shell: Shell, clock: Clock) -> None:
    async def let_go(app: faust.App, revoked: Any, **_: Any) -> None:
        await shell.let_go()  # the consumer has waited for what was fetched, and committed, before this signal

    async def restore(app: faust.App, **_: Any) -> None:
        generation = app.consumer_generation_id
        assigned = [(tp.topic, tp.partition) for tp in app.consumer.assignment()]
        await shell.restore(assigned, still_current=lambda: bool(app.consumer_generation_id == generation))

    async def close(app: faust.App, **_: Any) -> None:
        await shell.stop()

    async def report() -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            shell.report_lag(lambda topic, number: app.consumer.highwater(TP(topic, number)), clock.now_ms())

    app.task(report)
    app.on_partitions_revoked.connect(let_go, weak=False)
    app.on_rebalance_complete.connect(restore, weak=False)
    app.on_before_shutdown.connect(close, weak=False)
