"""Report rows of campaigns that the platform does not list."""

from pipeline.reported import ReportedState
from schemas.topics import RAW_GOOGLE_ADS
from tests.google_rows import GoogleRows
from tests.partition import Rec

NOON_MS = 1_795_176_000_000


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
