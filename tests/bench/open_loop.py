"""Events at a steady rate by a schedule that was fixed beforehand, and who sees what when.

Event `i` is due at `start_s + i / per_s` (monotonic seconds) and is sent then or as soon after as the sender can; every
latency counts from the moment it was due, so a stalled system is not spared by a stalled sender. Every tenth event
belongs to a probe campaign, and the n-th event of a probe is a known `i`: a total that counts n events tells that the
n-th was seen, and nothing has to be passed between the processes.
"""

import random
import time
from dataclasses import dataclass

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition

from connectors.clickhouse.client import connected, rows
from connectors.kafka import partition_of
from connectors.settings import Settings
from schemas.topics import ALERTS_THRESHOLD, RAW_EVENTS, TOTALS
from tests.bench.events import EVENT_BYTES, campaign

PROBES, PROBE_EVERY = 16, 10
ALERTS_PER_S = 8
LATE_MS = 2 * 3_600_000
STEP_S = 0.001
POLL_S = 0.250
TOPICS = (TOTALS, ALERTS_THRESHOLD)
PROBE_DAY = b"|||counted|1d|"
RULES = """
[[rule]]
id = "probe"
kind = "threshold"
severity = "low"
bases = ["counted"]
metric = "revenue"
above = 0.5
"""
Latencies = list[tuple[float, float]]  # (when it was due, seconds until it was seen)


@dataclass(frozen=True, slots=True)
class Schedule:
    """`start_s`: monotonic. Of the alert probes every second one is followed by a tick at once."""

    start_s: float
    per_s: int
    seconds: float
    campaigns: int = 1_000

    @property
    def end_s(self) -> float:
        return self.start_s + self.seconds

    @property
    def events(self) -> int:
        return int(self.per_s * self.seconds)

    def due_s(self, number: int) -> float:
        return self.start_s + number / self.per_s

    def probe_due_s(self, probe: int, nth: int) -> float:
        """When the nth event (from 0) of that probe campaign is due."""
        return self.due_s((nth * PROBES + probe) * PROBE_EVERY)

    def alert_due_s(self, number: int) -> float:
        return self.start_s + number / ALERTS_PER_S


class _Sender:
    def __init__(self, settings: Settings, schedule: Schedule) -> None:
        self._schedule, self._partitions = schedule, settings.partitions
        self._producer = Producer(
            {
                "bootstrap.servers": settings.kafka.bootstrap_servers,
                "partitioner": "murmur2_random",
                "linger.ms": 2,
                "compression.type": "lz4",
            }
        )
        self._dice = random.Random(1)
        self._bodies = [self._body() for _ in range(5_000)]

    def _body(self) -> tuple[str, str]:
        """Key and value of an ordinary event, without id and time; the mix of `tests.bench.events`."""
        dice, name = self._dice, campaign(int(self._schedule.campaigns * self._dice.random() ** 2))
        kind = dice.choices(["impression", "click", "conversion"], [90, 8, 2])[0]
        spend = dice.randrange(1000, 90_000) if kind == "click" else 0
        return name, f'"ad_id":"a{dice.randrange(4)}","type":"{kind}","spend_micros":{spend}'

    def _send(self, event_id: str, name: str, rest: str, at_ms: int) -> None:
        body = (
            f'{{"event_id":"{event_id:>24}","platform":"meta","account_id":"acc1","campaign_id":"{name}","at":{at_ms},'
            f'"currency":"EUR",{rest},"page":"'
        )
        value = body + "x" * (EVENT_BYTES - len(body) - 2) + '"}'
        self._producer.produce(RAW_EVENTS, value, f"meta:acc1:{name}")

    def _tick(self, partition: int) -> None:
        self._producer.produce(RAW_EVENTS, None, None, partition)

    def _event(self, number: int, now_ms: int) -> None:
        nth, is_other = divmod(number, PROBE_EVERY)
        if is_other:
            name, rest = self._bodies[self._dice.randrange(len(self._bodies))]
        else:
            name, rest = f"probe{nth % PROBES:02}", '"type":"impression"'
        self._send(f"{self._schedule.start_s:.0f}-{number}", name, rest, now_ms)

    def _alert(self, number: int, now_ms: int) -> None:
        """Revenue in an hour that is over: the alert is due as soon as the partition is told the time again."""
        name = f"alert{number}"
        self._send(
            f"a{self._schedule.start_s:.0f}-{number}", name, '"type":"click","revenue_micros":9000000', now_ms - LATE_MS
        )
        if number % 2 == 0:
            self._tick(partition_of(f"meta:acc1:{name}".encode(), self._partitions))

    def run(self) -> float:
        schedule, sent, alerts, ticks, worst_s = self._schedule, 0, 0, 0, 0.0
        while sent < schedule.events:
            now_s = time.monotonic()
            now_ms = time.time_ns() // 1_000_000
            while sent < schedule.events and (due_s := schedule.due_s(sent)) <= now_s:
                self._event(sent, now_ms)
                sent, worst_s = sent + 1, max(worst_s, now_s - due_s)
            while schedule.alert_due_s(alerts) <= now_s:
                self._alert(alerts, now_ms)
                alerts += 1
            if now_s - schedule.start_s > ticks:
                for partition in range(self._partitions):
                    self._tick(partition)
                ticks += 1
            self._producer.poll(0)
            time.sleep(STEP_S)
        self._producer.flush()
        return worst_s


def send(settings: Settings, schedule: Schedule) -> float:
    """Send everything; returns by how many seconds the latest event was sent after it was due."""
    return _Sender(settings, schedule).run()


class _Day(msgspec.Struct):
    impressions: int


class _Counts:
    """How many events of each probe campaign have been seen."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule, self._seen = schedule, [0] * PROBES
        self.latencies: Latencies = []

    def saw(self, probe: int, count: int, now_s: float) -> None:
        for nth in range(self._seen[probe], count):
            due_s = self._schedule.probe_due_s(probe, nth)
            self.latencies.append((due_s, now_s - due_s))
        self._seen[probe] = max(self._seen[probe], count)


def watch_topics(
    bootstrap_servers: str, ends: dict[tuple[str, int], int], schedule: Schedule
) -> tuple[Latencies, Latencies, Latencies, int]:
    """Totals, alerts behind a tick, alerts that waited for the next second; and how many totals there were."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "bench",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 2,
        }
    )
    consumer.assign([TopicPartition(topic, partition, end) for (topic, partition), end in ends.items()])
    decode = msgspec.json.Decoder(_Day).decode
    counts, totals = _Counts(schedule), 0
    ticked: Latencies = []
    waited: Latencies = []
    start, at = len(b"meta:acc1:probe"), len(b"meta:acc1:alert")
    seen_alerts: set[int] = set()
    while time.monotonic() < schedule.end_s + 2:
        messages = consumer.consume(2_000, timeout=0.002)
        now_s = time.monotonic()
        for message in messages:
            key = message.key() or b""
            if message.topic() == TOTALS:
                totals += 1
                if PROBE_DAY in key and key.startswith(b"meta:acc1:probe"):
                    counts.saw(int(key[start : start + 2]), decode(message.value()).impressions, now_s)
            elif key.startswith(b"meta:acc1:alert") and int(key[at:]) not in seen_alerts:
                number = int(key[at:])
                seen_alerts.add(number)
                due_s = schedule.alert_due_s(number)
                (waited if number % 2 else ticked).append((due_s, now_s - due_s))
    consumer.close()
    return counts.latencies, ticked, waited, totals


def watch_rows(settings: Settings, schedule: Schedule) -> Latencies:
    """The table of totals, asked every 250 ms for the days of the probes, which lie together in its key.

    A row counts as visible when the answer is there, so latencies are at most 250 ms and one answer too high. An answer
    takes 9 ms of ClickHouse's processor, hence no more of them.
    """
    counts = _Counts(schedule)
    with connected(settings) as client:
        while (now_s := time.monotonic()) < schedule.end_s + 4:
            found = rows(
                client,
                "SELECT campaign_id, max(impressions) AS n FROM totals WHERE basis = 'counted' AND window = '1d' AND "
                "platform = 'meta' AND account_id = 'acc1' AND startsWith(campaign_id, 'probe') GROUP BY campaign_id",
            )
            answered_s = time.monotonic()
            for row in found:
                counts.saw(int(row["campaign_id"][5:]), row["n"], answered_s)
            time.sleep(max(0.0, now_s + POLL_S - answered_s))
    return counts.latencies
