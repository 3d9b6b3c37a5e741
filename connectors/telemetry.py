"""Facts as typed calls -> Prometheus metrics. Code says what happened and never names a metric.

For every stage: received = emitted + dropped + dead-lettered, once what was received has been dealt with.
Labels come out of the closed sets of `pipeline/codes.py`; another word is a bug and raises ValueError.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

from connectors import health as health_server
from connectors import logs
from connectors.health import Health
from connectors.logs import FAUST_LOGGING, configure_logging
from pipeline.codes import BadRecordCode, DropReason, Stage, TransientCode

__all__ = [
    "FAUST_LOGGING",
    "REGISTRY",
    "Balance",
    "balance",
    "configure_logging",
    "consumer_lag",
    "dead_lettered",
    "dropped",
    "emitted",
    "event_lag_s",
    "feed_age_s",
    "flush_age_s",
    "health",
    "log",
    "received",
    "retried",
    "serve_health",
    "sink_age_s",
    "unknown_campaigns",
    "unknown_field",
]

REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)
health = Health()

_RECEIVED = Counter("pulse_records_received", "Records taken in.", ["stage"], registry=REGISTRY)
_EMITTED = Counter("pulse_records_emitted", "Records that had an effect.", ["stage"], registry=REGISTRY)
_DROPPED = Counter(
    "pulse_records_dropped", "Records that changed nothing, on purpose.", ["stage", "reason"], registry=REGISTRY
)
_DEAD = Counter("pulse_records_dead_lettered", "Records that could not go on.", ["stage", "code"], registry=REGISTRY)
_RETRIED = Counter("pulse_retries", "Calls that failed and were tried again.", ["stage", "code"], registry=REGISTRY)
_UNKNOWN = Counter(
    "pulse_unknown_fields", "Names of fields that nothing reads, each once.", ["stage"], registry=REGISTRY
)
_NEW_CAMPAIGNS = Counter(
    "pulse_unknown_campaigns",
    "Campaigns that nothing was known of when their first record came.",
    ["stage"],
    registry=REGISTRY,
)
_EVENT_LAG = Gauge(
    "pulse_event_lag_seconds", "Now minus the time of the newest record dealt with.", ["stage"], registry=REGISTRY
)
_CONSUMER_LAG = Gauge(
    "pulse_consumer_lag_records", "Records behind the partition's end.", ["topic", "partition"], registry=REGISTRY
)
_SINK_AGE = Gauge("pulse_sink_age_seconds", "Age of the oldest record not yet in ClickHouse.", registry=REGISTRY)
_FLUSH_AGE = Gauge("pulse_flush_age_seconds", "Since totals and state were last written.", registry=REGISTRY)
_FEED_AGE = Gauge(
    "pulse_feed_age_seconds", "Since the last complete run.", ["source", "account", "report"], registry=REGISTRY
)


def log(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module, structured: `log(__name__)`."""
    return logs.log(name)


def serve_health(port: int, host: str = "127.0.0.1") -> int:
    """/metrics, /healthz and /readyz of this process until it ends; port 0 takes a free one. Returns the port."""
    return health_server.serve(health, REGISTRY, port, host)


def received(stage: str, n: int = 1) -> None:
    _RECEIVED.labels(Stage(stage)).inc(n)


def emitted(stage: str, n: int = 1) -> None:
    _EMITTED.labels(Stage(stage)).inc(n)


def dropped(stage: str, reason: str, n: int = 1) -> None:
    _DROPPED.labels(Stage(stage), DropReason(reason)).inc(n)


def dead_lettered(stage: str, code: str, n: int = 1) -> None:
    _DEAD.labels(Stage(stage), BadRecordCode(code)).inc(n)


def retried(stage: str, code: str, n: int = 1) -> None:
    """A Transient that was waited for; it is no outcome of a record and stands outside the balance."""
    _RETRIED.labels(Stage(stage), TransientCode(code)).inc(n)


def unknown_field(stage: str, name: str) -> None:
    """A name that came for the first time; it is no label, because a sender can make up any."""
    _UNKNOWN.labels(Stage(stage)).inc()
    log(__name__).info("unknown field", stage=str(stage), field=name)


def unknown_campaigns(stage: str, n: int, topic: str) -> None:
    """Campaigns whose first record came before anything described them: counted all the same, told once a flush."""
    _NEW_CAMPAIGNS.labels(Stage(stage)).inc(n)
    log(__name__).info("records of unknown campaigns", stage=str(stage), topic=topic, campaigns=n)


def event_lag_s(stage: str, s: float) -> None:
    _EVENT_LAG.labels(Stage(stage)).set(s)


def consumer_lag(topic: str, partition: int, n: int) -> None:
    _CONSUMER_LAG.labels(topic, str(partition)).set(n)


def sink_age_s(s: float = 0.0) -> None:
    """`s` old now; grows by itself until it is told again, so that a sink that hangs is seen."""
    _SINK_AGE.set_function(_growing(s))


def flush_age_s(s: float = 0.0) -> None:
    """As `sink_age_s`: call it with 0 after every flush."""
    _FLUSH_AGE.set_function(_growing(s))


def feed_age_s(source: str, account: str, report: str, s: float = 0.0) -> None:
    """As `sink_age_s`, for one account's report."""
    _FEED_AGE.labels(source, account, report).set_function(_growing(s))


def _growing(s: float) -> Callable[[], float]:
    told = time.monotonic()
    return lambda: s + time.monotonic() - told


@dataclass(frozen=True, slots=True)
class Balance:
    """What one stage of this process has counted since it started."""

    received: int
    emitted: int
    dropped: int
    dead_lettered: int

    @property
    def open(self) -> int:
        """Received and not dealt with yet; negative would be an effect without a cause."""
        return self.received - self.emitted - self.dropped - self.dead_lettered


def balance(stage: str) -> Balance:
    """Reads the counters that /metrics shows."""
    sums: dict[str, float] = {}
    for family in REGISTRY.collect():
        for sample in family.samples:
            if sample.labels.get("stage") == stage and sample.name.endswith("_total"):
                sums[sample.name] = sums.get(sample.name, 0) + sample.value
    names = ("received", "emitted", "dropped", "dead_lettered")
    return Balance(*(int(sums.get(f"pulse_records_{name}_total", 0)) for name in names))
