"""What the sink tells beside the figures every stage has."""

import time
from collections.abc import Callable

from prometheus_client import Counter, Gauge

from connectors.telemetry import REGISTRY

_ROWS = Counter("pulse_sink_rows", "Rows written to ClickHouse.", ["table"], registry=REGISTRY)
_BLOCKS = Counter("pulse_sink_blocks", "Blocks written to ClickHouse.", ["topic"], registry=REGISTRY)
_GAPS = Counter(
    "pulse_sink_gap_records",
    "Records that were gone from the topic before they were stored.",
    ["topic"],
    registry=REGISTRY,
)
_FRESHNESS = Gauge(
    "pulse_sink_freshness_seconds",
    "From the receipt of the oldest record of the last block to its row being visible.",
    ["table"],
    registry=REGISTRY,
)
_LAST_INSERT = Gauge("pulse_sink_last_insert_age_seconds", "Since ClickHouse last took a block.", registry=REGISTRY)
_HELD = Gauge(
    "pulse_sink_held_bytes",
    "Memory of fetched records that are not stored yet, estimated from above.",
    registry=REGISTRY,
)


def freshness(table: str, s: float) -> None:
    _FRESHNESS.labels(table).set(s)


def inserted() -> None:
    """Grows by itself until the next insert."""
    told = time.monotonic()
    _LAST_INSERT.set_function(lambda: time.monotonic() - told)


def held(count: Callable[[], int]) -> None:
    """`count` is asked whenever the metric is read."""
    _HELD.set_function(count)


def rows_written(table: str, n: int) -> None:
    _ROWS.labels(table).inc(n)


def block_written(topic: str) -> None:
    _BLOCKS.labels(topic).inc()


def records_missed(topic: str, n: int) -> None:
    _GAPS.labels(topic).inc(n)
