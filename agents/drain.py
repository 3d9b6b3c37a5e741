"""Waits until everything that was sent has been counted, judged and stored."""

import threading
import time

from confluent_kafka.admin import AdminClient

from agents.stage_topics import SOURCES
from connectors.clickhouse.positions import stored_positions
from connectors.kafka import admin
from connectors.lag import end_offsets, group_lag
from connectors.settings import Settings
from schemas.tables import SINK_TOPICS

POLL_S = 0.25


def drain(settings: Settings, *, limit_s: float, stop: threading.Event | None = None) -> bool:
    """True when workers and sink are at the end of every topic, twice in a row; False when time is up first."""
    client = admin(settings)
    deadline, quiet = time.monotonic() + limit_s, 0
    while time.monotonic() < deadline and not (stop is not None and stop.is_set()):
        quiet = quiet + 1 if _at_end(settings, client) else 0
        if quiet >= 2:
            return True
        time.sleep(POLL_S)
    return False


def _at_end(settings: Settings, client: AdminClient) -> bool:
    lag = group_lag(client, settings.worker.group, SOURCES, settings.partitions)
    if any(lag.values()):
        return False
    ends = end_offsets(client, SINK_TOPICS, settings.partitions)
    stored = stored_positions(settings)
    return all(stored.get(place, 0) >= end for place, end in ends.items() if end > 0)
