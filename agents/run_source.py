"""One reporting source as a process: from settings to a loop that ends cleanly."""

import asyncio
import signal

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from connectors import telemetry
from connectors.clock import Clock
from connectors.cursors import Cursors
from connectors.feeds import Feeds
from connectors.kafka_producer import start_producer
from connectors.outgoing import ProducerLost
from connectors.reading import ReportReader
from connectors.registry import LOOKBACKS, SOURCES
from connectors.retry import Stopped, retrying
from connectors.run import SourceRunner
from connectors.settings import Settings
from connectors.source import Source
from pipeline.codes import MisconfiguredCode, TransientCode
from pipeline.errors import Misconfigured, Transient
from schemas.topics import CURSORS, FEEDS

LINGER_MS = 20
STOP_S = 2.0  # for what is on its way to the broker at the end
log = telemetry.log(__name__)


async def run_source(settings: Settings, clock: Clock, name: str, *, once: bool = False) -> bool:
    """Runs until SIGTERM or SIGINT, or once over every account; then returns whether all of it could be read.

    While the broker is away it waits. Raises Misconfigured when a topic is missing.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    telemetry.health.expect("source", "no read is complete yet")
    telemetry.health.expect("broker", "not connected yet")
    telemetry.serve_health(settings.google_ads.http_port, settings.health_host)
    async with httpx.AsyncClient(timeout=httpx.Timeout(settings.google_ads.timeout_s, connect=10)) as http:
        source = SOURCES[name](settings, http, clock)
        session = _Session(settings, clock, name, source, stop)
        running = asyncio.ensure_future(retrying(lambda: session.run(once=once), stop=stop, on_retry=session.away))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not running.done():
            running.cancel()
        try:
            return await running
        except (asyncio.CancelledError, Stopped):
            if not stop.is_set():
                raise
            return False


class _Session:
    """What holds as long as one producer does: after it is lost, everything begins again behind the cursors."""

    def __init__(self, settings: Settings, clock: Clock, name: str, source: Source, stop: asyncio.Event) -> None:
        self._settings, self._clock, self._name, self._source, self._stop = settings, clock, name, source, stop
        self._away = False

    async def run(self, *, once: bool) -> bool:
        """Raises Transient when the broker is away."""
        settings, source = self._settings, self._source
        producer = await start_producer(settings, linger_ms=LINGER_MS)
        try:
            await _check_topics(producer, [source.topic, CURSORS, FEEDS], settings.partitions)
            cursors = await Cursors.load(settings, producer, f"{source.name}|")
            telemetry.health.set("broker", ok=True)
            if self._away:
                log.info("broker is back", source=source.name)
                self._away = False
            lookback = LOOKBACKS[self._name](settings)
            reader = ReportReader(source, self._clock, producer, cursors, lookback, partitions=settings.partitions)
            feeds = Feeds(source.name, self._clock, producer)
            runner = SourceRunner(self._clock, source, reader, feeds, self._stop)
            await (runner.run_once() if once else runner.run(settings.google_ads.interval_s))
        except (ProducerLost, KafkaError) as error:
            raise Transient(TransientCode.BROKER_AWAY, str(error) or type(error).__name__) from None
        finally:
            await _end(producer)
        return not runner.failing

    def away(self, failure: Transient, _: float) -> None:
        """Said in health every time, logged once."""
        telemetry.health.set("broker", ok=False, detail=str(failure))
        if not self._away:
            log.warning("broker away", source=self._source.name, detail=str(failure))
        self._away = True


async def _check_topics(producer: AIOKafkaProducer, names: list[str], partitions: int) -> None:
    """Before the first write, which would make a missing topic on a broker that allows it. Raises Misconfigured."""
    cluster = await producer.client.fetch_all_metadata()
    for name in names:
        found = len(cluster.partitions_for_topic(name) or ())
        if not found:
            raise Misconfigured(MisconfiguredCode.TOPIC_MISSING, f"There is no topic {name}; run `pulse migrate`.")
        if found != partitions:
            raise Misconfigured(
                MisconfiguredCode.SETTING,
                f"partitions is {partitions}, but topic {name} has {found}; set partitions to {found}.",
            )


async def _end(producer: AIOKafkaProducer) -> None:
    ending = asyncio.ensure_future(producer.stop())
    await asyncio.wait({ending}, timeout=STOP_S)
    ending.cancel()
    await asyncio.gather(ending, return_exceptions=True)
