"""Watches the totals and alert topics of a running system: counts, the newest figures, and how late they came."""

import random
import threading
from dataclasses import dataclass, field

import msgspec
from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from connectors.clock import Clock
from connectors.kafka import client_config
from connectors.settings import Settings
from schemas.topics import ALERT_TOPICS, TOTALS

SAMPLES = 50_000
RECENT_ALERTS = 8


class _Total(msgspec.Struct):
    total_id: str
    campaign_key: str
    level: str
    basis: str
    window: str
    start_ms: int
    currency: str
    impressions: int
    clicks: int
    spend_micros: int
    conversions_micros: int
    revenue_micros: int
    as_of_ms: int
    is_final: bool
    version: int
    campaign_name: str
    daily_budget_micros: int | None


class _Alert(msgspec.Struct):
    alert_id: str
    transition: str
    severity: str
    alert_type: str
    campaign_key: str
    message: str
    at_ms: int


@dataclass
class Seen:
    """What has passed since the tail began. `latencies_ms`: received or fetched -> total published, real time."""

    totals: int = 0
    alerts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ALERT_TOPICS, 0))
    latencies_ms: list[float] = field(default_factory=list)
    days: dict[str, _Total] = field(default_factory=dict)  # campaign|basis -> newest campaign-day total
    recent: list[_Alert] = field(default_factory=list)

    def percentile(self, share: float) -> float | None:
        """Latency in ms below which `share` of the samples lie; None without samples."""
        ordered = sorted(self.latencies_ms)
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else None


class Tail:
    """Reads in a thread of its own from the end of the topics; `seen` may be looked at any time."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.seen = Seen()
        self._clock = clock
        self._stop = threading.Event()
        self._dice = random.Random(0)  # noqa: S311 - which latencies to keep
        self._samples = 0
        self._consumer = Consumer({**client_config(settings), "group.id": "pulse-tail", "enable.auto.commit": False})
        partitions = range(settings.partitions)
        topics = (TOTALS, *ALERT_TOPICS)
        self._consumer.assign([TopicPartition(topic, p, OFFSET_END) for topic in topics for p in partitions])
        self._thread = threading.Thread(target=self._run, name="tail", daemon=True)
        self._total = msgspec.json.Decoder(_Total).decode
        self._alert = msgspec.json.Decoder(_Alert).decode

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5)
        self._consumer.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(500, timeout=0.2):
                if message.error() is not None or message.key() is None or message.value() is None:
                    continue
                if message.topic() == TOTALS:
                    self._note_total(self._total(message.value()), message.timestamp()[1])
                else:
                    self._note_alert(message.topic() or "", self._alert(message.value()))

    def _note_total(self, total: _Total, published_ms: int) -> None:
        seen = self.seen
        seen.totals += 1
        if not total.is_final and total.basis == "counted":
            received_ms = self._clock.anchor_real_ms + (total.as_of_ms - self._clock.anchor_ms) / self._clock.speed
            self._keep(published_ms - received_ms)
        if total.window == "1d" and total.level == "campaign":
            name = f"{total.campaign_key}|{total.basis}"
            known = seen.days.get(name)
            if known is None or total.start_ms > known.start_ms or total.version > known.version:
                seen.days[name] = total

    def _keep(self, latency_ms: float) -> None:
        """A reservoir: every sample has the same chance to be among those kept."""
        self._samples += 1
        if len(self.seen.latencies_ms) < SAMPLES:
            self.seen.latencies_ms.append(latency_ms)
        elif (slot := self._dice.randrange(self._samples)) < SAMPLES:
            self.seen.latencies_ms[slot] = latency_ms

    def _note_alert(self, topic: str, alert: _Alert) -> None:
        self.seen.alerts[topic] += 1
        self.seen.recent = [*self.seen.recent, alert][-RECENT_ALERTS:]
