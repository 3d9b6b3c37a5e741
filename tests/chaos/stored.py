"""What the system has stored, for the oracle: raw rows by the hash of their bytes, totals, alerts."""

from collections.abc import Iterator

from connectors.clickhouse.client import connected
from connectors.settings import Settings
from tests.chaos.ledger import MEASURES
from tests.chaos.oracle import Alert, Figures, RawRow, Stored, WindowKey

ANSWER_S = 600
RAW = """
SELECT topic, partition, offset, reinterpretAsUInt64(substring(MD5(value), 1, 8)) AS digest
FROM raw_records FINAL
"""
TOTALS = f"""
SELECT campaign_key, basis, window, toUnixTimestamp64Milli(start) AS start_ms, {", ".join(MEASURES)}
FROM totals FINAL
"""
ALERTS = "SELECT DISTINCT alert_id, version, transition FROM alert_history FINAL"


def stored(settings: Settings) -> Stored:
    """Raises as `connected`."""
    totals: dict[WindowKey, Figures] = {}
    for campaign, basis, window, start_ms, *measures in _rows(settings, TOTALS):
        totals[str(campaign), str(basis), str(window), int(start_ms)] = tuple(measures)
    alerts: set[Alert] = {(str(row[0]), int(row[1]), str(row[2])) for row in _rows(settings, ALERTS)}
    return Stored(lambda: _raw(settings), totals, frozenset(alerts))


def _raw(settings: Settings) -> Iterator[RawRow]:
    yield from _rows(settings, RAW)


def _rows(settings: Settings, sql: str) -> Iterator[tuple]:  # type: ignore[type-arg]
    with connected(settings, answer_s=ANSWER_S) as client, client.query_rows_stream(sql) as found:
        yield from found
