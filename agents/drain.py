"""Waits until everything that was sent has been counted, judged and stored.

What is asked is whether the ends seen at the start of each hop are passed, not whether anything is behind now: ticks
and sources that go on would keep a live system from ever standing still.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from confluent_kafka.admin import AdminClient

from agents.stage_topics import SOURCES
from connectors.clickhouse.positions import stored_positions
from connectors.kafka_admin import admin
from connectors.lag import committed_offsets, end_offsets
from connectors.settings import Settings
from schemas.tables import SINK_TOPICS
from schemas.topics import DEAD_LETTERS

POLL_S = 0.25
Offsets = Mapping[tuple[str, int], int]
Hop = tuple[Callable[[], Offsets], Callable[[], Offsets]]  # where it must come to, where it is


def drain(settings: Settings, *, limit_s: float, stop: threading.Event | None = None) -> bool:
    """True when all that stood in the topics at the call, and all that came of it, is stored; False when time is up."""
    return pass_hops(_hops(settings, admin(settings)), limit_s=limit_s, stop=stop)


def pass_hops(hops: Iterator[Hop], *, limit_s: float, stop: threading.Event | None = None) -> bool:
    """Each hop's goal is read when the one before it has arrived: by then all its input is in its topic."""
    deadline = time.monotonic() + limit_s
    for goal_of, position_of in hops:
        goal = goal_of()
        while not _arrived(goal, position_of()):
            if time.monotonic() >= deadline or (stop is not None and stop.is_set()):
                return False
            time.sleep(POLL_S)
    return True


def _hops(settings: Settings, client: AdminClient) -> Iterator[Hop]:
    """A stage acknowledges its input after what it writes, so the next topic is whole when this one is committed."""
    ends = partial(end_offsets, client, partitions=settings.partitions)
    committed = partial(committed_offsets, client, settings.worker.group, partitions=settings.partitions)
    for topic in SOURCES:
        yield partial(ends, [topic]), partial(committed, [topic])
    # The sink's own letters come of the topics it stores.
    for topics in (SINK_TOPICS, (DEAD_LETTERS,)):
        yield partial(ends, topics), partial(stored_positions, settings)


def _arrived(goal: Offsets, position: Offsets) -> bool:
    return all(position.get(place, 0) >= end for place, end in goal.items())
