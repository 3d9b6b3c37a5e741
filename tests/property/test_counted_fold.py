"""Panes go into the same rows, in C and in Python, whatever was there before and however late they come."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.counted_panes import MINUTE_MS, Pane
from pipeline.counted_rows import HORIZON_MS, Campaign
from pipeline.counted_windows import CountedWindows
from pipeline.per_record import BUILT
from schemas.measures import MEASURES

T0 = 1_790_000_040_000  # the start of a minute
HOUR_MS = 3_600_000
CAMPAIGNS = [("meta:a:c1", "UTC"), ("meta:a:c2", "Asia/Kolkata"), ("email:a:c3", "America/New_York")]
GAINED = st.lists(st.one_of(st.just(0), st.integers(0, 9), st.integers(0, 2**62)), max_size=len(MEASURES)).map(
    lambda gained: gained + [0] * (len(MEASURES) - len(gained))
)
# Which pane (made once, or anew), the last offset in it, when it was, what it gained.
STEP = st.tuples(
    st.sampled_from(range(len(CAMPAIGNS))),
    st.sampled_from([None, "a1", "a2"]),
    st.sampled_from([T0 - 500 * 24 * HOUR_MS, T0 - 3 * 24 * HOUR_MS, T0 - HOUR_MS, T0 - MINUTE_MS, T0, T0 + MINUTE_MS]),
    st.booleans(),
    st.integers(0, 40),
    st.integers(-5_000, 5_000),
    GAINED,
)
# Then, perhaps, time goes on by so much, and what has changed is taken.
STEPS = st.lists(
    st.tuples(
        st.lists(STEP, max_size=6), st.sampled_from([0, 0, 1_000, MINUTE_MS, HOUR_MS, 30 * HOUR_MS]), st.booleans()
    ),
    max_size=6,
)


def outcome(steps: list[Any], guard_to: int, *, in_c: bool) -> list[Any]:
    campaigns: dict[bytes | None, Campaign] = {
        key.encode(): Campaign(key, zone=zone, currency="EUR") for key, zone in CAMPAIGNS
    }
    windows = CountedWindows("t", 0, generation=1, horizon_ms=dict(HORIZON_MS), campaigns=campaigns, in_c=in_c)
    windows.guard_to, windows.clock_ms = guard_to, T0
    panes: dict[Any, Pane] = {}
    found: list[Any] = []
    for changes, ahead_ms, is_taken in steps:
        drained = []
        for who, ad_id, minute_ms, is_known, offset, late_ms, gained in changes:
            campaign = campaigns[CAMPAIGNS[who][0].encode()]
            pane = Pane(campaign, ad_id, minute_ms)
            if is_known:
                pane = panes.setdefault((who, ad_id, minute_ms), pane)
            drained.append((pane, offset, T0 + late_ms, gained))
        windows.fold(drained)
        if ahead_ms:
            panes.clear()  # as `drain` forgets them: the rows they point to may be given up
            windows.cross(windows.clock_ms + ahead_ms, 41)
        if is_taken:
            found.append((windows.take_outputs(), [key for key, _ in windows.take_rows()], windows.take_given_up()))
        found.append((windows.rows, windows.pending))
    return found


@given(STEPS, st.sampled_from([-1, 20]))
@settings(max_examples=400, deadline=None)
def test_both_make_the_same_rows(steps: list[Any], guard_to: int) -> None:
    assert outcome(steps, guard_to, in_c=BUILT) == outcome(steps, guard_to, in_c=False)
