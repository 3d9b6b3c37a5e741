"""What a reported state makes of records that come again and of unknown campaigns, and what a rebuild takes back."""

import json
from typing import Any

from pipeline.codes import DropReason
from pipeline.reported import ReportedState
from schemas.topics import RAW_GOOGLE_ADS, TOTALS
from tests.google_rows import GoogleRows
from tests.partition import Rec

NOON_MS = 1_795_176_000_000  # 2026-11-20T12:00:00Z
CUSTOMER = {"id": "1", "currencyCode": "EUR", "timeZone": "Europe/Berlin"}


def record(offset: int, at_ms: int, metrics: dict[str, Any], campaign: str = "70", **more: Any) -> Rec:
    """A day's row in the connector's spelling."""
    row = {**more, "customer": CUSTOMER, "campaign": {"id": campaign, "name": "n"}}
    row |= {"metrics": metrics, "segments": {"date": "2026-11-20"}}
    head = {"v": 1, "kind": "row", "report": "campaign_day", "account_id": "1", "fetched_at_ms": at_ms}
    value = json.dumps({**head, "row": row}, separators=(",", ":")).encode()
    return Rec(offset, at_ms, f"google_ads:1:{campaign}".encode(), value)


def make(generation: int = 0) -> ReportedState:
    return ReportedState("raw.google_ads.v1", 0, project_of=lambda *_: "p", generation=generation)


def clicks(state: ReportedState) -> list[int]:
    return [json.loads(value)["clicks"] for topic, key, value in state.take().outputs if topic == TOTALS and key]


def test_a_row_that_changes_back_is_published_again() -> None:
    state = make()
    state.count([record(number, NOON_MS + number, {"clicks": n}) for number, n in enumerate("12112")])
    assert clicks(state) == [1, 2, 1, 2]
    assert state.tallies()["dropped", DropReason.UNCHANGED] == 1


def test_metrics_of_something_else_in_a_row_are_not_its_figures() -> None:
    state = make()
    labels: list[dict[str, Any]] = [{"metrics": {"clicks": "8"}}, {"metrics": {"clicks": "9"}}]
    state.count([record(n, NOON_MS + n, {"clicks": "1"}, label=label) for n, label in enumerate(labels)])
    assert clicks(state) == [1]


def test_a_read_that_completes_between_two_records_makes_the_older_one_stale() -> None:
    state = make()
    rows = [record(0, NOON_MS, {"clicks": "1"}), record(2, NOON_MS, {"clicks": "2"})]
    # It begins as the rows do: only what it ends with says what it is.
    read = b',"kind":"report_complete","fetched_at_ms":%d,"since":"2026-11-20","until":"2026-11-20","rows":1}'
    whole = (rows[0].value or b"")[:-1] + read % (NOON_MS + 1)
    state.count([rows[0], Rec(1, NOON_MS + 1, None, whole), rows[1]])
    assert clicks(state) == [1]
    assert state.tallies()["dropped", DropReason.STALE_REVISION] == 1


def test_a_rebuild_takes_back_a_row_that_it_no_longer_finds() -> None:
    before, after = make(), make(generation=1)
    before.count([record(0, NOON_MS, {"clicks": "1"}), record(1, NOON_MS, {"clicks": "2"}, "71")])
    after.count([record(0, NOON_MS, {"clicks": "1"})])
    after.take()
    differing = [json.loads(value) for _, _, value in after.differences(before)]
    assert [(total["campaign_id"], total["clicks"]) for total in differing] == [("71", 0)]
    assert [key for key, _ in after.take().rows] == []


def unknown(state: ReportedState, rows: GoogleRows, first: int = 0) -> int:
    state.count([Rec(first + n, one.timestamp, one.key, one.value) for n, one in enumerate(rows.take())])
    assert state.take().outputs
    return state.tallies().get(("unknown_campaign", ""), 0)


def test_a_campaign_that_no_report_describes_is_counted_and_told_once() -> None:
    state, rows = ReportedState(RAW_GOOGLE_ADS, 0, project_of=lambda *_: "p"), GoogleRows(partitions=1)
    rows.entity("1", budget_micros=5_000_000, at_ms=NOON_MS)
    for campaign in ("1", "2"):
        for day in ("2026-11-19", "2026-11-20"):
            rows.day(campaign, day, at_ms=NOON_MS, spend_micros=1_000_000)
    assert unknown(state, rows) == 1
    assert len(state.rows) == 4
    rows.day("2", "2026-11-18", at_ms=NOON_MS, spend_micros=1_000_000)
    assert unknown(state, rows, 9) == 0
