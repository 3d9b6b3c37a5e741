"""Changelogs as version 1 wrote them, and what must follow from them: recorded once, never written again.

`python -m tests.golden.wire.recording` records what is not there yet. A state that can no longer be read from
its file loses what running systems hold; a new layout is a new state version with a file of its own beside this one.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.alerts.judge import Judge
from pipeline.alerts.rule_file import rules_from_toml
from pipeline.changelog import HEADER, Changelog, header_of
from pipeline.counted import CountedState
from pipeline.reported import ReportedState
from pipeline.state import SourceRecord, StageState
from schemas.topics import RAW_EVENTS, RAW_GOOGLE_ADS, TOTALS
from schemas.window import Window
from tests.partition import Rec

V1 = Path(__file__).parent / "v1"
HOUR_MS = 3_600_000
MIDNIGHT_MS = 1_795_132_800_000  # 2026-11-20T00:00:00Z
RULES = """
[[rule]]
id = "budget_exceeded"
kind = "budget"
severity = "high"
share_percent = 100

[[rule]]
id = "high_cpc"
kind = "threshold"
severity = "medium"
metric = "cpc"
above = 2.0
resolve = 1.9
span_h = 1
for_windows = 1
resolve_windows = 1
"""
_HEAD = {"v": 1, "source": "google_ads", "api_version": "v26", "account_id": "1", "run_id": "r"}


def _event(number: int, campaign: str, at_ms: int, **fields: Any) -> tuple[bytes, bytes]:
    body = {"event_id": f"e{number}", "platform": "email", "account_id": "acc", "campaign_id": campaign, "at": at_ms}
    body |= {"type": "click", "zone": "Asia/Kolkata", "currency": "INR", **fields}
    return f"email:acc:{campaign}".encode(), json.dumps(body).encode()


def counted_records() -> tuple[list[SourceRecord], list[SourceRecord]]:
    start = MIDNIGHT_MS
    stamps: list[tuple[int, bytes | None, bytes | None]] = [
        (start, *_event(1, "a", start - HOUR_MS, ad_id="ad1", spend_micros=120_000)),
        (start + 1_000, *_event(2, "a", start, spend_micros=30_000)),
        (start + 2_000, *_event(3, "b", start, type="conversion", conversions_micros=250_000)),
        (start + 30 * HOUR_MS, *_event(4, "a", start + 30 * HOUR_MS, type="impression", count=7)),  # the first expire
        (start + 30 * HOUR_MS + 5_000, None, None),
        (start + 30 * HOUR_MS + 5_500, *_event(5, "a", start + 29 * HOUR_MS)),  # late: waits as a correction
    ]
    following: list[tuple[int, bytes | None, bytes | None]] = [
        (start + 30 * HOUR_MS + 7_000, *_event(4, "a", start + 30 * HOUR_MS, type="impression", count=7)),  # a repeat
        (start + 30 * HOUR_MS + 8_000, *_event(6, "a", start + 30 * HOUR_MS, spend_micros=1)),
        (start + 31 * HOUR_MS, *_event(7, "b", start + 2 * HOUR_MS)),  # its minute was given up, its day was not
        (start + 60 * HOUR_MS, None, None),
    ]
    return _numbered(stamps, 0), _numbered(following, len(stamps))


def _numbered(stamps: list[tuple[int, bytes | None, bytes | None]], first: int) -> list[SourceRecord]:
    return [Rec(first + number, stamp, key, value) for number, (stamp, key, value) in enumerate(stamps)]


def _report(campaign: str, report: str, at_ms: int, row: dict[str, Any]) -> tuple[int, bytes, bytes]:
    customer = {"id": "1", "currencyCode": "EUR", "timeZone": "Europe/Berlin"}
    row = {"customer": customer, "campaign": {"id": campaign, "name": f"n{campaign}", "status": "ENABLED"}, **row}
    body = {**_HEAD, "kind": "row", "report": report, "fetched_at_ms": at_ms, "row": row}
    return at_ms, f"google_ads:1:{campaign}".encode(), json.dumps(body).encode()


def _day(campaign: str, at_ms: int, cost_micros: int, date: str = "2026-11-20") -> tuple[int, bytes, bytes]:
    metrics = {"clicks": "5", "impressions": "940", "costMicros": str(cost_micros), "conversions": 0.25}
    return _report(campaign, "campaign_day", at_ms, {"segments": {"date": date}, "metrics": metrics})


def _complete(at_ms: int) -> tuple[int, None, bytes]:
    body = {**_HEAD, "kind": "report_complete", "report": "campaign_day", "fetched_at_ms": at_ms, "rows": 1}
    return at_ms, None, json.dumps(body | {"since": "2026-11-19", "until": "2026-11-21"}).encode()


def reported_records() -> tuple[list[SourceRecord], list[SourceRecord]]:
    start = MIDNIGHT_MS
    budget = {"id": "b1", "amountMicros": "10000000", "period": "DAILY", "referenceCount": "1"}
    hour = {"segments": {"date": "2026-11-20", "hour": 3}, "metrics": {"clicks": "1", "costMicros": "7000000"}}
    ad = {"segments": {"date": "2026-11-20"}, "metrics": {"clicks": "2"}, "adGroup": {"id": "5"}}
    stamps: list[tuple[int, bytes | None, bytes | None]] = [
        _day("69", start, 1_000, "2026-10-01"),
        _report("70", "entity", start + 1, {"campaignBudget": budget}),
        _day("70", start + HOUR_MS, 14_000_000),
        _report("70", "campaign_hour", start + 7 * HOUR_MS, hour),
        _report("70", "ad_day", start + HOUR_MS, {**ad, "adGroupAd": {"ad": {"id": "9"}}}),
        _complete(start + 8 * HOUR_MS),
        _complete(start + 50 * HOUR_MS),  # the day of October is given up
    ]
    following: list[tuple[int, bytes | None, bytes | None]] = [
        _day("70", start + HOUR_MS, 99),  # older than a complete read
        _day("70", start + 51 * HOUR_MS, 9_000_000),
        _day("69", start + 51 * HOUR_MS, 2_000, "2026-10-01"),  # given up
        _day("71", start + 51 * HOUR_MS, 3_000),
        _complete(start + 51 * HOUR_MS),
    ]
    return _numbered(stamps, 0), _numbered(following, len(stamps))


def judge_records() -> tuple[list[SourceRecord], list[SourceRecord]]:
    """The totals that the reported records make, before and after."""
    state, found, first = _reported(), [], 0
    for records in reported_records():
        state.count(records)
        totals = [(key, value) for topic, key, value in state.take().outputs if topic == TOTALS]
        found.append([Rec(first + number, MIDNIGHT_MS, key, value) for number, (key, value) in enumerate(totals)])
        first += len(totals)
    return list(found[0]), list(found[1])


def _counted() -> StageState:
    return CountedState(RAW_EVENTS, 0, topic_id="id-1", horizon_ms=dict.fromkeys(map(str, Window), 20 * HOUR_MS))


def _reported() -> StageState:
    return ReportedState(RAW_GOOGLE_ADS, 0, topic_id="id-1", project_of=lambda *_: "default", horizon_ms=40 * HOUR_MS)


def _judge() -> StageState:
    return Judge(rules_from_toml(RULES), 0, topic_id="id-1", project_of=lambda *_: "default")


Records = Callable[[], tuple[list[SourceRecord], list[SourceRecord]]]


@dataclass(frozen=True)
class Kept:
    """One kind of state: how it is made, the records it was recorded after, and those that follow."""

    name: str
    source: str
    make: Callable[[], StageState]
    records: Records

    @property
    def path(self) -> Path:
        return V1 / f"{self.name}.json"


KEPT = (
    Kept("counted", RAW_EVENTS, _counted, counted_records),
    Kept("reported", RAW_GOOGLE_ADS, _reported, reported_records),
    Kept("judge", TOTALS, _judge, judge_records),
)


def written(kept: Kept, state: StageState) -> list[tuple[bytes, bytes | None]]:
    """The changelog after two workers: one counted the first record, the other had its rows and counted the rest."""
    records = kept.records()[0]
    state.count(records[:2])
    first = Changelog(b"0123456789ab").write(state.take().rows)
    following = Changelog(b"ba9876543210")
    following.read(Rec(0, 0, key, value) for key, value in first)
    state.count(records[2:])
    return [*first, *following.write(state.take().rows)]


def restored(kept: Kept, changelog: list[tuple[bytes, bytes | None]]) -> StageState:
    """As a worker does it."""
    reader = Changelog(b"next")
    reader.read(Rec(0, 0, key, value) for key, value in changelog)
    rows = reader.rows()
    header = header_of(rows, topic=kept.source, topic_id="id-1")
    assert header is not None
    state = kept.make()
    state.load([(HEADER, header), *rows.items()], counted_to=header[2])
    return state


def followed(kept: Kept, state: StageState) -> list[tuple[str, str | None, Any]]:
    """What it publishes when everything comes once more, and then what follows."""
    first, following = kept.records()
    state.count([*first, *following])
    outputs = state.take().outputs
    return [(topic, None if key is None else key.decode(), json.loads(value)) for topic, key, value in outputs]


def text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def main() -> None:
    V1.mkdir(exist_ok=True)
    for kept in KEPT:
        if kept.path.exists():
            print(f"{kept.path} is there and stays as it is")
            continue
        changelog = written(kept, kept.make())
        then = followed(kept, restored(kept, changelog))
        body = {"changelog": [[text(key), text(value)] for key, value in changelog], "then": then}
        kept.path.write_text(json.dumps(body, indent=1) + "\n")


if __name__ == "__main__":
    main()
