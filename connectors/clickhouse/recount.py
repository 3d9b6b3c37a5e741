"""The queries of the proof, from `infra/clickhouse/recount`, with what depends on the zones filled in."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

from clickhouse_connect.driver.client import Client

from connectors.clickhouse.client import rows
from connectors.clickhouse.recount_calendar import by_zone, day_start, hour_start, local_instant
from schemas.measures import MEASURES
from schemas.topics import RAW_EVENTS, RAW_GOOGLE_ADS
from schemas.window import Basis

FOLDER = Path(__file__).resolve().parents[2] / "infra" / "clickhouse" / "recount"
_OPTIONS: Mapping[str, Any] = {
    "max_bytes_before_external_group_by": 500_000_000,
    "max_bytes_before_external_sort": 500_000_000,
    "join_use_nulls": 0,
}


def ask(client: Client, name: str, parameters: dict[str, Any], **fragments: str) -> list[dict[str, Any]]:
    """The rows of `<name>.sql`; `fragments` are SQL for its `$` names, `parameters` are bound by the server."""
    sql = _text(name)
    return rows(client, Template(sql).substitute(fragments) if fragments else sql, parameters, _OPTIONS)


def comparisons(client: Client, *, horizon_h: int, since_ms: int) -> Iterator[dict[str, Any]]:
    """checked, not_comparable and differing [(total id, expected, found)] of the counted and the reported totals."""
    scope = ask(client, "counted_scope", {"topic": RAW_EVENTS})[0]
    zones = _known_zones(client, scope["zones"])
    expected = Template(_text("counted")).substitute(
        hour_start=by_zone("zone", zones, hour_start("minute_s")),
        day_start=by_zone("zone", zones, day_start("minute_s")),
    )
    counted = {"topic": RAW_EVENTS, "repeats": int(scope["span_h"] > horizon_h), "horizon_h": horizon_h}
    yield _compare(client, Basis.COUNTED, expected, {**counted, "since_ms": since_ms})

    zones = _known_zones(client, ask(client, "reported_scope", {"topic": RAW_GOOGLE_ADS})[0]["zones"])
    expected = Template(_text("reported")).substitute(
        local_s=by_zone("zone", zones, local_instant("clock")),
        hour_start=by_zone("zone", zones, hour_start("at_s")),
        day_start=by_zone("zone", zones, day_start("at_s")),
    )
    yield _compare(client, Basis.REPORTED, expected, {"topic": RAW_GOOGLE_ADS, "since_ms": since_ms})


def _compare(client: Client, basis: Basis, expected: str, parameters: dict[str, Any]) -> dict[str, Any]:
    measures = ", ".join(MEASURES)
    return ask(client, "compare", {**parameters, "basis": str(basis)}, expected=expected, measures=measures)[0]


def _known_zones(client: Client, named: list[str]) -> list[str]:
    sql = "SELECT time_zone FROM system.time_zones WHERE time_zone IN {names:Array(String)} ORDER BY time_zone"
    return [row["time_zone"] for row in rows(client, sql, {"names": [*named, "UTC"]})]


def _text(name: str) -> str:
    """Comments go: a `$` in one would be a name to fill in."""
    lines = (FOLDER / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("--"))
