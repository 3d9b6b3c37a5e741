"""Counting increments: windows, final and late, refusals, several sources."""

import json
from collections.abc import Collection
from typing import Any

import pytest

from pipeline.changelog import HEADER, STATE_VERSION
from pipeline.counted import CountedState
from pipeline.counted_rows import DAY_MS, Campaign
from pipeline.per_record import counters
from pipeline.state import Output
from pipeline.versions import order_of
from schemas.event import MAX_MICROS
from schemas.measures import MOST
from schemas.topics import DEAD_LETTERS, TOTALS
from tests.counted_states import IN_C, each_kind
from tests.partition import MemoryPartition, Rec, read_back

T0 = 1_790_000_000_000 - 1_790_000_000_000 % 3_600_000  # a full hour, 2026-09-21 13:00 UTC
KEY = b"email:acc:c1"


def event(offset: int, *, at: int = T0, received: int | None = None, key: bytes = KEY, **fields: Any) -> Rec:
    platform, account, campaign = key.decode().split(":")
    body = {
        "event_id": f"e{offset}",
        "platform": platform,
        "account_id": account,
        "campaign_id": campaign,
        "type": "click",
        "at": at,
        **fields,
    }
    return Rec(offset, at if received is None else received, key, json.dumps(body).encode())


def tick(offset: int, at: int) -> Rec:
    return Rec(offset, at, None, None)


def totals(outputs: Collection[Output], window: str = "1m") -> list[dict[str, Any]]:
    found = [json.loads(value) for topic, key, value in outputs if topic == TOTALS and key is not None]
    return [total for total in found if total["window"] == window]


def letters(outputs: Collection[Output]) -> list[tuple[str, str]]:
    found = [json.loads(value) for topic, _, value in outputs if topic == DEAD_LETTERS]
    return [(letter["code"], letter["field"]) for letter in found]


@each_kind
def test_ads_of_one_minute_in_one_batch_all_count(in_c: bool) -> None:
    state = CountedState("t", 0, in_c=in_c)
    state.count([event(0, ad_id="a1"), event(1, ad_id="a2"), event(2, ad_id="a1")])
    (total,) = totals(state.take().outputs)
    assert total["clicks"] == 3


@each_kind
def test_a_window_is_live_then_final_and_a_late_event_corrects_it_at_the_next_crossing(in_c: bool) -> None:
    #   13:00:10     13:01:02          13:01:30 (late, for 13:00)   13:01:31
    #   [ 13:00 live ] 13:00 final                                  13:00 corrected
    state = CountedState("t", 0, in_c=in_c)
    state.count([event(0, at=T0 + 10_000)])
    (live,) = totals(state.take().outputs)
    assert (live["is_final"], live["clicks"]) == (False, 1)
    state.count([tick(1, T0 + 62_000)])
    (final,) = totals(state.take().outputs)
    assert (final["is_final"], final["clicks"], final["revision"]) == (True, 1, 0)
    state.count([event(2, at=T0 + 20_000, received=T0 + 90_000)])
    assert totals(state.take().outputs) == []
    state.count([tick(3, T0 + 91_000)])
    (corrected,) = totals(state.take().outputs)
    assert (corrected["is_final"], corrected["clicks"], corrected["revision"]) == (True, 2, 1)
    assert live["version"] < final["version"] < corrected["version"]


@each_kind
def test_an_event_just_behind_the_end_of_its_minute_is_not_late(in_c: bool) -> None:
    state = CountedState("t", 0, in_c=in_c)
    state.count([event(0, at=T0 + 1), event(1, at=T0 + 59_999, received=T0 + 61_500), tick(2, T0 + 62_000)])
    finals = [total for total in totals(state.take().outputs) if total["is_final"]]
    assert [(total["clicks"], total["revision"]) for total in finals] == [(2, 0)]


@each_kind
def test_what_a_campaign_said_first_of_zone_and_currency_holds(in_c: bool) -> None:
    state = CountedState("t", 0, in_c=in_c)
    state.count(
        [
            event(0, zone="Asia/Kolkata", currency="INR", spend_micros=5),
            event(1, zone="Europe/Berlin"),
            event(2, currency="EUR"),
            event(3, key=b"email:acc:other", campaign_id="c9"),
        ]
    )
    outputs = state.take().outputs
    assert letters(outputs) == [("bad_zone", "zone"), ("bad_currency", "currency"), ("wrong_key", "")]
    (hour,) = totals(outputs, "1h")
    assert hour["start_ms"] == T0 - 1_800_000  # hours of a half-hour zone start at :30 UTC
    assert (hour["clicks"], hour["spend_micros"], hour["currency"]) == (1, 5, "INR")


@each_kind
def test_a_bad_record_is_a_letter_and_the_rest_goes_on(in_c: bool) -> None:
    state = CountedState("t", 0, in_c=in_c)
    state.count([event(0), Rec(1, T0, KEY, b"{"), event(2, count=-1), event(3)])
    outputs = state.take().outputs
    assert [code for code, _ in letters(outputs)] == ["malformed", "bad_value"]
    assert totals(outputs)[0]["clicks"] == 2
    tallies = state.tallies()
    assert tallies["received", ""] == 4
    assert sum(n for (kind, _), n in tallies.items() if kind == "dead") == 2


@each_kind
def test_a_campaign_nobody_has_heard_of_is_counted_and_told_once(in_c: bool) -> None:
    state = CountedState("t", 0, in_c=in_c)
    state.count([event(0), event(1)])
    taken = state.take()
    assert state.tallies()["unknown_campaign", ""] == 1
    state.count([event(2)])
    assert ("unknown_campaign", "") not in state.tallies()
    again = CountedState("t", 0, in_c=in_c)
    again.load(read_back(taken.rows).items(), counted_to=1)
    again.count([event(2)])
    assert ("unknown_campaign", "") not in again.tallies()


@each_kind
def test_rows_are_given_up_after_the_horizon_and_never_start_again_from_zero(in_c: bool) -> None:
    state = CountedState("t", 0, in_c=in_c, horizon_ms={"1m": DAY_MS, "5m": DAY_MS, "1h": DAY_MS, "1d": 2 * DAY_MS})
    state.count([event(0), tick(1, T0 + 3 * DAY_MS + 3_600_000), tick(2, T0 + 5 * DAY_MS)])
    taken = state.take()
    assert state.windows.rows == {}
    last = totals(taken.outputs, "1d")[-1]
    assert (last["settled"], last["is_final"], last["clicks"]) == (True, True, 1)
    assert sum(1 for key, row in taken.rows if row is None and not key.startswith(b"\0")) == 4
    state.count([event(3, at=T0 + 1, received=T0 + 5 * DAY_MS)])
    assert letters(state.take().outputs) == [("beyond_horizon", "at")]


@each_kind
def test_two_sources_of_one_total_are_added_up_and_each_keeps_its_own_offsets(in_c: bool) -> None:
    first, second = CountedState("raw.a.v1", 0, in_c=in_c), CountedState("raw.b.v1", 0, in_c=in_c)
    first.windows.siblings, second.windows.siblings = (second.windows,), (first.windows,)
    first.count([event(5)])
    (alone,) = totals(first.take().outputs)
    second.count([event(9, event_id="other", type="impression")])
    (both,) = totals(second.take().outputs)
    assert (both["clicks"], both["impressions"]) == (1, 1)
    assert both["version"] > alone["version"]
    assert both["version"] >> 2 == order_of(0, 5) + order_of(0, 9)


@each_kind
def test_a_copy_of_a_predecessor_that_woke_up_late_says_nothing_new(in_c: bool) -> None:
    # Both have counted the same events; the one that froze had not come to the crossing that finished and corrected.
    partition = MemoryPartition(lambda: CountedState("t", 0, in_c=in_c))
    first = [event(0, at=T0 + 10_000), tick(1, T0 + 62_000)]
    partition.run(first)
    late = event(2, at=T0 + 20_000, received=T0 + 90_000)
    (frozen, its_log), (successor, log) = partition.start(), partition.start()
    frozen.count([late])
    successor.count([late, tick(3, T0 + 91_000)])
    partition.flush(successor, log)
    partition.flush(frozen, its_log)  # wakes up: its copies have the same order and come later
    before = {(key, value) for _, key, value in partition.outputs}
    third, _ = partition.start()
    third.count([tick(4, T0 + 95_000)])
    again = [(key, value) for _, key, value in third.take().outputs if key is not None]
    assert again
    assert set(again) <= before
    (corrected,) = [total for total in totals(partition.outputs) if total["revision"] == 1]
    assert corrected["clicks"] == 2


def test_plain_events_are_counted_without_a_closer_look() -> None:
    more: dict[str, Any] = {"page": "x", "score": 1.5, "tags": ["a", {"b": None}]}
    kinds = [event(n, received=T0, ad_id="a", currency="EUR", zone="UTC", **more) for n in range(3)]
    for in_c in IN_C:
        ids, panes = counters(24, in_c=in_c)
        panes.learn(KEY, Campaign(KEY.decode(), zone="UTC", currency="EUR"))
        assert panes.count(kinds, 0, T0 + 1, 0, -1, ids) == 3
        assert (panes.counted, panes.repeated, len(ids)) == (3, 0, 3)


def kept_row(offset: int, as_of_ms: int, flags: int, end_ms: int, clicks: int = 1) -> list[Any]:
    return [order_of(0, offset), as_of_ms, 0, flags, end_ms, 0, clicks]


def restored(rows: dict[bytes, list[Any]], *, clock_ms: int, in_c: bool, counted_to: int = 9) -> CountedState:
    """What belongs to campaigns comes last, as compaction may leave it."""
    state = CountedState("t", 0, in_c=in_c)
    header = [order_of(0, counted_to), STATE_VERSION, counted_to, "", clock_ms]
    campaigns = {key.partition(b"|")[0]: [1, "UTC", ""] for key in rows}
    state.load(
        [
            (HEADER, header),
            *rows.items(),
            *((b"\x00campaign|" + name, list(row)) for name, row in campaigns.items()),
        ],
        counted_to=counted_to,
    )
    return state


def minute_key(campaign: str, at: int = T0) -> bytes:
    return f"email:acc:{campaign}||1m|{at // 1000}".encode()


@each_kind
def test_rows_of_one_window_are_restored_each_as_final_as_it_says(in_c: bool) -> None:
    end = T0 + 60_000
    rows = {
        minute_key("open"): kept_row(5, T0, 0, end),
        minute_key("final"): kept_row(12, T0, 1, end),  # kept by a flush that died: further than the header
        minute_key("corrected"): kept_row(6, T0, 3, end),
    }
    state = restored(rows, clock_ms=T0 + 30_000, in_c=in_c)
    assert state.windows.rows == {(f"email:acc:{name}", "", "1m", T0): rows[minute_key(name)] for name in
                                  ("open", "final", "corrected")}  # fmt: skip
    state.count([event(10, at=T0 + 31_000, key=b"email:acc:new"), tick(11, T0 + 62_000)])
    found = {total["campaign_id"]: total for total in totals(state.take().outputs)}
    assert {name: (total["is_final"], total["revision"]) for name, total in found.items()} == {
        "open": (True, 0),
        "corrected": (True, 1),
        "new": (True, 0),
    }


@each_kind
def test_a_window_all_of_whose_restored_rows_are_final_still_ends_for_a_new_one(in_c: bool) -> None:
    state = restored({minute_key("c2"): kept_row(12, T0, 1, T0 + 60_000)}, clock_ms=T0 + 30_000, in_c=in_c)
    state.count([event(13, at=T0 + 31_000)])
    (live,) = totals(state.take().outputs)
    state.count([tick(14, T0 + 62_000)])
    (final,) = totals(state.take().outputs)
    assert [(total["campaign_id"], total["is_final"]) for total in (live, final)] == [("c1", False), ("c1", True)]


@each_kind
def test_a_window_that_is_over_takes_a_new_row_as_a_correction(in_c: bool) -> None:
    state = CountedState("t", 0, in_c=in_c)
    state.count([event(0, at=T0), tick(1, T0 + 70_000), event(2, at=T0 + 1, received=T0 + 71_000, key=b"email:acc:c2")])
    assert {total["campaign_id"] for total in totals(state.take().outputs)} == {"c1"}
    state.count([tick(3, T0 + 72_000)])
    (late,) = totals(state.take().outputs)
    assert (late["campaign_id"], late["is_final"], late["revision"], late["clicks"]) == ("c2", True, 1, 1)


@each_kind
def test_a_restored_row_goes_on_where_it_is_when_its_zone_ends_the_day_at_another_time_now(in_c: bool) -> None:
    day = T0 - T0 % DAY_MS
    key = f"email:acc:c1||1d|{day // 1000}".encode()
    row = kept_row(5, T0, 0, day + DAY_MS - 3_600_000, clicks=4)
    state = restored({key: row}, clock_ms=T0, in_c=in_c)
    state.count([event(10, at=T0 + 1), event(11, at=T0 + 2)])
    (total,) = totals(state.take().outputs, "1d")
    assert (total["clicks"], total["end_ms"]) == (6, day + DAY_MS - 3_600_000)
    assert sum(key[2] == "1d" for key in state.windows.rows) == 1


@each_kind
def test_a_day_that_changed_late_is_given_up_by_itself_and_later(in_c: bool) -> None:
    horizon_ms = {"1m": DAY_MS, "5m": DAY_MS, "1h": DAY_MS, "1d": 2 * DAY_MS}
    state = CountedState("t", 0, in_c=in_c, horizon_ms=horizon_ms)
    state.count([event(0), event(1, key=b"email:acc:c2"), event(2, at=T0, received=T0 + 2 * DAY_MS)])
    state.count([tick(3, T0 + 3 * DAY_MS)])
    assert {key[0] for key in state.windows.rows if key[2] == "1d"} == {"email:acc:c1"}
    settled = [total for total in totals(state.take().outputs, "1d") if total["settled"]]
    assert [total["campaign_id"] for total in settled] == ["c2"]
    state.count(
        [event(4, at=T0, received=T0 + 3 * DAY_MS), event(5, at=T0, received=T0 + 3 * DAY_MS, key=b"email:acc:c2")]
    )
    assert letters(state.take().outputs) == [("beyond_horizon", "at")]  # c2 starts no more; c1 goes on
    state.count([tick(6, T0 + 6 * DAY_MS)])
    assert state.windows.rows == {}


@each_kind
def test_what_totals_of_a_window_have_in_common_is_not_kept_when_it_is_over(in_c: bool) -> None:
    state = CountedState("t", 0, in_c=in_c)
    state.count([event(0)])
    state.take()
    assert all(slot.texts for slot in state.windows.slots)
    state.count([tick(1, T0 + 70_000), event(2, at=T0, received=T0 + 70_500), tick(3, T0 + 72_000)])
    assert {slot.window for slot in state.windows.slots if slot.texts} == {"5m", "1h", "1d"}


@each_kind
@pytest.mark.parametrize("ad", [{}, {"ad_id": "a1"}], ids=["campaign", "ad"])
def test_a_sum_that_64_bits_cannot_hold_stays_at_what_they_can_and_counting_goes_on(
    in_c: bool, ad: dict[str, Any]
) -> None:
    much: dict[str, Any] = {
        "spend_micros": MAX_MICROS,
        "revenue_micros": MAX_MICROS // 3,
        "type": "conversion",
        "count": 10**9,
        **ad,
    }
    half, later = MOST // MAX_MICROS // 2 + 2, T0 + 120_000
    partition = MemoryPartition(lambda: CountedState("t", 0, in_c=in_c))
    state, log = partition.start()
    state.count([event(n, **much) for n in range(half)])
    partition.flush(state, log)
    # Twice as much in one minute, in one flush: above the limit alone, and with what was there.
    state.count([event(half + n, at=later, received=later, **much) for n in range(2 * half)])
    partition.flush(state, log)
    state, log = partition.start()
    state.count([event(3 * half, at=later, received=later, spend_micros=1, **ad)])
    partition.flush(state, log)
    newest = {(total["level"], total["window"], total["start_ms"]): total for total in totals(partition.outputs, "1d")}
    newest |= {(total["level"], total["window"], total["start_ms"]): total for total in totals(partition.outputs)}
    first = newest.pop(("campaign", "1m", T0))
    assert (first["spend_micros"], first["conversions_micros"]) == (half * MAX_MICROS, half * 10**15)
    assert len(newest) == (3 if ad else 2)
    for total in newest.values():
        assert (total["spend_micros"], total["conversions_micros"]) == (MOST, MOST), total
        events = 2 * half if total["window"] == "1m" else 3 * half
        assert total["revenue_micros"] == events * (MAX_MICROS // 3)
