"""How far the workers are behind while the load flows: samples in a thread, and how long each recovery took."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition

from connectors.kafka import client_config
from connectors.kafka_admin import admin
from connectors.lag import end_offsets
from connectors.settings import Settings
from schemas.topics import RAW_EVENTS
from tests.chaos.world import Fault, Sample

EVERY_S, ANSWER_S = 0.5, 10.0
SMALL = 1_000  # records


@dataclass(frozen=True, slots=True)
class Recovery:
    """`seconds` None: the lag never became small again before the next fault, or before the end."""

    label: str
    seconds: float | None


class LagWatch:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.samples: list[Sample] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="lag", daemon=True)

    def __enter__(self) -> "LagWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)

    def _watch(self) -> None:
        clients = _Clients(self._settings)
        while not self._over.wait(EVERY_S):
            try:
                counted, lag = clients.progress()
            except (KafkaException, TimeoutError):  # the broker is away: that shows as a longer recovery
                clients.close()
                clients = _Clients(self._settings)  # old ones wait longer and longer before they look again
                continue
            self.samples.append(Sample(time.monotonic(), counted, lag))
        clients.close()


class _Clients:
    def __init__(self, settings: Settings) -> None:
        self._admin, self._partitions = admin(settings), settings.partitions
        # Not the admin client: librdkafka's crashes the process when the coordinator is away (librdkafka issue 5040).
        self._group = Consumer(
            {**client_config(settings), "group.id": settings.worker.group, "enable.auto.commit": False}
        )

    def progress(self) -> tuple[int, int]:
        """Records committed, and those that are not. Raises KafkaException, TimeoutError."""
        ends = end_offsets(self._admin, [RAW_EVENTS], self._partitions)
        places = [TopicPartition(RAW_EVENTS, number) for number in range(self._partitions)]
        counted = sum(max(0, place.offset) for place in self._group.committed(places, timeout=ANSWER_S))
        return counted, sum(ends.values()) - counted

    def close(self) -> None:
        self._group.close()


def recoveries(faults: Sequence[Fault], samples: Sequence[Sample], *, per_s: float) -> list[Recovery]:
    """From a fault's end to the first sample with less than a second of load, or 1,000 records, behind."""
    small = max(SMALL, per_s)
    found = []
    for number, fault in enumerate(faults):
        until_s = faults[number + 1].began_s if number + 1 < len(faults) else float("inf")
        back = next((s.at_s for s in samples if fault.ended_s <= s.at_s < until_s and s.lag < small), None)
        found.append(Recovery(fault.label, None if back is None else round(back - fault.ended_s, 2)))
    return found


def longest_standstill_s(samples: Sequence[Sample]) -> float:
    """The longest time in which nothing was committed although something waited."""
    longest = 0.0
    since: Sample | None = None
    for sample in samples:
        if since is None or sample.counted > since.counted or sample.lag == 0:
            since = sample
        longest = max(longest, sample.at_s - since.at_s)
    return round(longest, 2)
