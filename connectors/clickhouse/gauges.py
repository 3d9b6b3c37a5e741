"""What the sink tells beside the figures every stage has."""

from prometheus_client import Counter

from connectors.telemetry import REGISTRY

_ROWS = Counter("pulse_sink_rows", "Rows written to ClickHouse.", ["table"], registry=REGISTRY)
_BLOCKS = Counter("pulse_sink_blocks", "Blocks written to ClickHouse.", ["topic"], registry=REGISTRY)
_GAPS = Counter(
    "pulse_sink_gap_records",
    "Records that were gone from the topic before they were stored.",
    ["topic"],
    registry=REGISTRY,
)


def rows_written(table: str, n: int) -> None:
    _ROWS.labels(table).inc(n)


def block_written(topic: str) -> None:
    _BLOCKS.labels(topic).inc()


def records_missed(topic: str, n: int) -> None:
    _GAPS.labels(topic).inc(n)
