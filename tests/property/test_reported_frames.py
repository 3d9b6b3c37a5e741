"""Rows known by their bytes come to what reading every record as a whole comes to.

The same stream in spellings that are cut into head, frame and figures, in C and in Python, and in one that never is.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.changelog import HEADER, Changelog, header_of
from pipeline.codes import DropReason
from pipeline.per_record import BUILT
from pipeline.reported import ReportedState
from pipeline.state import SourceRecord
from schemas.topics import DEAD_LETTERS, TOTALS
from tests.partition import Rec
from tests.property.test_native import T0
from tests.property.test_wire_records import batch_of, built
from tests.wire_reading import WireRecords

START_MS = int(datetime(2026, 10, 25, 20, tzinfo=UTC).timestamp() * 1000)
LATER_MS = [0, 1_000, 1_000, 60_000, 3 * 3_600_000, 9 * 3_600_000, 50 * 86_400_000, 92 * 86_400_000]

FIGURES = st.sampled_from(
    [
        {"clicks": "1", "costMicros": "10"},
        {"clicks": "1", "costMicros": "10", "allConversions": 7},  # the same figures in other bytes
        {"clicks": "2", "costMicros": "10", "conversions": 0.25},
        {"clicks": 2, "conversions": 2.5e-1, "costMicros": "0010"},
        {"clicks": "2", "conversionsValue": "1.0000005"},
        {},
        {"clicks": "-1"},  # refused
        {"clicks": "1e3"},  # refused
        {"clicks": "1", "conversions": [1]},  # refused
        {"clicks": "1", "more": {"metrics": {"clicks": "5"}}},
        {"clicks": "1", "note": "}"},
    ]
)
PLAIN: dict[str, Any] = {
    "kind": "row",
    "report": "campaign_day",
    "campaign": "70",
    "name": "n",
    "zone": "Europe/Berlin",
    "day": "2026-10-24",
    "figures": {"clicks": "1"},
    "account": "1",
    "key": "",
    "behind": {},
    "more": {},
}
# Most records are of one row, so that it is often known when something else about it comes.
TWEAK: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.sampled_from(
        [
            {},
            {"name": "r"},
            {"kind": "vanished"},
            {"report": "campaign_hour"},
            {"report": "ad_day"},
            {"campaign": "71"},
            {"zone": "Asia/Kolkata"},
            {"day": "2026-10-25"},
            {"account": "2"},
            {"key": "google_ads:1:99"},
            {"behind": {"zone": "x"}},
            {"behind": {"fetched_at_ms": START_MS + 60_000}},
            {"behind": {"kind": "vanished"}},
            {"more": {"label": {"metrics": {"clicks": "3"}}}},
            {"more": {"label": {"metrics": {"clicks": "4"}}}},
        ]
    ),
)
ROW = st.builds(
    lambda tweak, figures: PLAIN | {"figures": figures} | tweak,
    TWEAK,
    st.one_of(st.sampled_from([{"clicks": "1"}, {"clicks": "2"}]), FIGURES),
)
OTHER = st.sampled_from(["complete", "entity 5", "entity 9"])
RUNS = st.lists(
    st.tuples(st.sampled_from(LATER_MS), st.lists(st.one_of(ROW, ROW, ROW, OTHER), min_size=1, max_size=4)),
    min_size=1,
    max_size=8,
)


def body(at_ms: int, item: Any) -> tuple[bytes | None, dict[str, Any]]:
    head = {
        "v": 1,
        "source": "google_ads",
        "kind": "row",
        "report": "entity",
        "account_id": "1",
        "fetched_at_ms": at_ms,
    }
    if item == "complete":
        span = {"since": "2026-10-24", "until": "2026-10-25", "rows": 1}
        return None, {**head, "kind": "report_complete", "report": "campaign_day", **span}
    customer = {"id": "1", "currencyCode": "EUR", "timeZone": "Europe/Berlin"}
    if isinstance(item, str):
        budget = {"id": "9", "amountMicros": item.removeprefix("entity "), "period": "DAILY"}
        campaign = {"id": "70", "name": "n", "status": "ENABLED"}
        return b"google_ads:1:70", {
            **head,
            "row": {"customer": customer, "campaign": campaign, "campaignBudget": budget},
        }
    head |= {"kind": item["kind"], "report": item["report"], "account_id": item["account"]}
    row: dict[str, Any] = {**item["more"], "customer": customer | {"timeZone": item["zone"]}}
    row["campaign"] = {"id": item["campaign"], "name": item["name"]}
    row |= {"adGroup": {"id": "5"}, "adGroupAd": {"ad": {"id": "6"}}} if item["report"] == "ad_day" else {}
    row |= {} if item["kind"] == "vanished" else {"metrics": item["figures"]}
    row["segments"] = {"date": item["day"]} | ({"hour": 3} if item["report"] == "campaign_hour" else {})
    key = item["key"] or f"google_ads:1:{item['campaign']}"
    return key.encode(), {**head, "row": row}


# The connector's own; another; and one whose `row` only a reader of JSON sees.
PLAINLY, SPACED, HIDDEN = (",", ":"), (" ,\n", " :\t"), (",", ": ")


def spelled(runs: Any, separators: tuple[str, str]) -> list[Rec]:
    found: list[Rec] = []
    at_ms = START_MS
    for later_ms, items in runs:
        # A run may be older than the one before it: workers of the connector overlap.
        at_ms = at_ms - 500 if later_ms == 0 else at_ms + later_ms
        for item in items:
            key, value = body(at_ms, item)
            text = json.dumps(value, separators=separators)
            if not isinstance(item, str) and item["behind"]:  # of a name that stands twice the later one holds
                text = text[:-1] + separators[0] + json.dumps(item["behind"], separators=separators)[1:]
            if separators is HIDDEN:
                text = text.replace('"row": ', r'"\u0072ow": ')
            found.append(Rec(len(found), at_ms, key, text.encode()))
    return found


def on_the_wire(records: list[Rec]) -> Sequence[SourceRecord]:
    """As the worker fetches them, a batch each."""
    return WireRecords([batch_of(built(one.offset, [(one.timestamp - T0, one.key, one.value, [])])) for one in records])


def results(records: list[Rec], cuts: list[int], restart_at: int, *, in_c: bool, wired: bool = False) -> list[Any]:
    """Everything that is seen of a state from outside, flush by flush; it is restored before flush `restart_at`."""
    state, changelog, kept = make(in_c=in_c), Changelog(b"a"), list[Rec]()
    seen: list[Any] = []
    bounds = sorted({cut for cut in cuts if cut < len(records)} | {0, len(records)})
    for number, (first, last) in enumerate(pairwise(bounds)):
        if number == restart_at:
            state, changelog = restored(kept, in_c=in_c)
        state.count(on_the_wire(records[first:last]) if wired else records[first:last])
        taken = state.take()
        written = changelog.write(taken.rows)
        kept += [Rec(0, 0, key, value) for key, value in written]
        seen.append((taken.outputs, written, taken.upto, state.tallies(), state.clock_ms))
    return seen


def without_letters(seen: list[Any]) -> list[Any]:
    """A dead letter carries the record, which is spelled differently; its words may quote it."""
    return [([(topic, key, told(topic, value)) for topic, key, value in outputs], *rest) for outputs, *rest in seen]


def told(topic: str, value: bytes) -> Any:
    said = json.loads(value)
    return [said["code"], said["field"], said["offset"]] if topic == DEAD_LETTERS else said


def make(*, in_c: bool = BUILT) -> ReportedState:
    return ReportedState("raw.google_ads.v1", 0, project_of=lambda *_: "p", in_c=in_c)


def restored(kept: list[Rec], *, in_c: bool) -> tuple[ReportedState, Changelog]:
    changelog, state = Changelog(b"b"), make(in_c=in_c)
    changelog.read(kept)
    rows = changelog.rows()
    header = header_of(rows, topic="t", topic_id="")
    assert header is not None
    state.load([(HEADER, header), *rows.items()], counted_to=header[2])
    return state, changelog


@given(RUNS, st.lists(st.integers(1, 40), max_size=4), st.integers(1, 6))
@settings(max_examples=400, deadline=None)
def test_cut_records_come_to_what_whole_ones_do(runs: Any, cuts: list[int], restart_at: int) -> None:
    plainly, spaced = spelled(runs, PLAINLY), spelled(runs, SPACED)
    cut = results(plainly, cuts, restart_at, in_c=False)
    assert cut == results(plainly, cuts, restart_at, in_c=BUILT)
    assert cut == results(plainly, cuts, restart_at, in_c=BUILT, wired=True)
    told_of_cut = without_letters(cut)
    assert told_of_cut == without_letters(results(spaced, cuts, restart_at, in_c=False))
    assert told_of_cut == without_letters(results(spaced, cuts, restart_at, in_c=BUILT, wired=True))
    assert told_of_cut == without_letters(results(spelled(runs, HIDDEN), cuts, restart_at, in_c=False))


@given(ROW, st.integers(2, 5))
@settings(max_examples=100, deadline=None)
def test_a_row_that_comes_again_is_unchanged_and_published_once(item: Any, times: int) -> None:
    good = item | {"kind": "row", "figures": {"clicks": "1"}, "account": "1", "key": "", "behind": {}}
    records = spelled([(1_000, [good])] * times, PLAINLY)
    state = make()
    state.count(records)
    assert [topic for topic, _, _ in state.take().outputs] == [TOTALS]
    assert state.tallies()["dropped", DropReason.UNCHANGED] == times - 1
