"""How a limited run of `pulse up` ends: sources first, then wait until everything has arrived, recount, report."""

import threading
from collections.abc import Callable
from typing import Any

from agents.drain import drain
from agents.local_stack import LocalStack
from agents.tail import Seen
from connectors.clickhouse.client import connected, rows
from connectors.clickhouse.verify import verify
from connectors.local.supervisor import PartState
from connectors.settings import Settings
from schemas.tables import TABLES
from schemas.topics import ALERT_TOPICS, TOTALS


def summary(
    stack: LocalStack, seen: Seen, *, stop: threading.Event, limit_s: float, say: Callable[[str], None]
) -> dict[str, Any]:
    """The one JSON object of `pulse up --duration`; `verify.ok` says whether the recount agrees."""
    parts = stack.supervisor.status()
    say("ending the sources")
    stack.stop_sources()
    say("waiting until everything is counted and stored")
    arrived = drain(stack.settings, limit_s=limit_s, stop=stop)
    say("counting again in SQL")
    checked = verify(stack.settings).as_dict()
    counts = _counts(stack.settings)
    return {
        "records_in": counts["raw_records"],
        "totals_out": counts["totals_out"],
        "alerts": counts["alerts"],
        "dead_letters": counts["rows"].get("dead_letters", 0),
        "clickhouse_rows": counts["rows"],
        "latency_ms": {"p50": seen.percentile(0.5), "p99": seen.percentile(0.99)},
        "restarts": {part.name: part.restarts for part in parts if part.restarts},
        "not_running": [part.name for part in parts if part.state is not PartState.RUNNING],
        "verify": {**checked, "drained": arrived, "ok": bool(checked["ok"] and arrived)},
    }


def _counts(settings: Settings) -> dict[str, Any]:
    """Rows by table, transitions by alert topic, totals published, all as stored."""
    with connected(settings) as client:
        by_table = {table.name: int(_one(client, _count(table.name))) for table in TABLES}
        published = "SELECT sum(rows) AS n FROM sink_blocks FINAL WHERE topic = {topic:String}"
        totals_out = int(_one(client, published, topic=TOTALS))
        alerts = {topic: int(_one(client, published, topic=topic)) for topic in ALERT_TOPICS}
    return {"raw_records": by_table.get("raw_records", 0), "totals_out": totals_out, "alerts": alerts, "rows": by_table}


def _count(table: str) -> str:
    """Rows as readers see them: replaced ones once. The name is one of ours, never input."""
    return f"SELECT count() AS n FROM {table}{'' if table == 'migrations' else ' FINAL'}"  # noqa: S608


def _one(client: Any, sql: str, **parameters: str) -> Any:
    return next(iter(rows(client, sql, parameters)))["n"]
