"""What the simulator served when, and what its figures finally are, in an append-only NDJSON file.

Only tests and `pulse verify` may read it: a pipeline that looked here would be checking itself against its own answer.
One line an entry, by `kind`: `market` (the settings, first line), `restated` (a change ordered from outside),
`served` (a page: who, which report, as of when, how many rows, their digest and sums), `refused`.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from connectors.simulator.google_ads_pages import Page
from connectors.simulator.google_ads_refusal import Refusal
from connectors.simulator.market_settings import MarketSettings
from connectors.simulator.restatement import Restatement
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

_MICROS = 1_000_000
_SUMS: Mapping[str, tuple[str, int]] = {
    "impressions": ("impressions", 1),
    "clicks": ("clicks", 1),
    "cost_micros": ("costMicros", 1),
    "conversions_micros": ("conversions", _MICROS),
    "value_micros": ("conversionsValue", _MICROS),
}


class Truth:
    """The writing side. Each line is in the file before the answer it tells of goes out."""

    def __init__(self, path: Path, settings: MarketSettings) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _drop_cut_line(path)
        self._file = path.open("ab", buffering=0)
        if path.stat().st_size == 0:
            self._write({"kind": "market", "v": 1, "settings": asdict(settings)})

    def served(self, account_id: str, query: str, report: str, page: Page, *, at_ms: int) -> None:
        self._write(
            {
                "kind": "served",
                "at_ms": at_ms,
                "as_of_ms": page.as_of_ms,
                "account_id": account_id,
                "report": report,
                "query": query,
                "offset": page.offset,
                "rows": len(page.rows),
                "last": page.token is None,
                "digest": digest(page.rows),
                "sums": sums(page.rows),
            }
        )

    def refused(self, account_id: str, refusal: Refusal, *, at_ms: int) -> None:
        self._write(
            {
                "kind": "refused",
                "at_ms": at_ms,
                "account_id": account_id,
                "status": refusal.http,
                "code": refusal.code,
            }
        )

    def restated(self, change: Restatement) -> None:
        self._write({"kind": "restated", "change": asdict(change)})

    def close(self) -> None:
        self._file.close()

    def _write(self, entry: dict[str, Any]) -> None:
        self._file.write(orjson.dumps(entry) + b"\n")


def digest(rows: list[dict[str, Any]]) -> str:
    """SHA-256 over the rows as JSON with sorted keys, so that a reader in any language can recompute it."""
    return hashlib.sha256(orjson.dumps(rows, option=orjson.OPT_SORT_KEYS)).hexdigest()


def sums(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Whole-number sums of the metrics that the rows carry."""
    found = {}
    for name, (key, scale) in _SUMS.items():
        values = [row["metrics"][key] for row in rows if key in row.get("metrics", {})]
        if values:
            found[name] = sum(round(float(value) * scale) if scale > 1 else int(value) for value in values)
    return found


def settings_of(path: Path) -> MarketSettings | None:
    """The settings an existing truth file was begun with; None when there is none yet.

    A simulator that is started again takes them over, so that its market goes on instead of becoming another one.
    Raises Misconfigured(SETTING) when the file is no truth file.
    """
    try:
        with path.open("rb") as file:
            first = file.readline()
    except FileNotFoundError:
        return None
    if not first.strip():
        return None
    try:
        return MarketSettings(**orjson.loads(first)["settings"])
    except (ValueError, KeyError, TypeError):
        raise Misconfigured(
            MisconfiguredCode.SETTING,
            f"{path} does not begin with the simulator's settings; name another truth file or delete this one.",
        ) from None


def _drop_cut_line(path: Path) -> None:
    """A last line without its end was cut by a kill, before its answer went out."""
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)


def changes_of(path: Path) -> list[Restatement]:
    """The restatements ordered from outside so far, in order."""
    found = []
    with path.open("rb") as file:
        for line in file:
            entry = _entry(line)
            if entry.get("kind") == "restated":
                found.append(Restatement(**entry["change"]))
    return found


def entries(path: Path) -> list[dict[str, Any]]:
    """Every whole line; a last line cut off by a kill was an answer that nobody got."""
    with path.open("rb") as file:
        return [entry for line in file if (entry := _entry(line))]


def _entry(line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        return {}
    entry: dict[str, Any] = orjson.loads(line)
    return entry
