"""A changelog read in C gives what it gives in Python: the same rows, the same deletions, the same state.

Where no C compiler was there both are Python, and this says nothing.
"""

import itertools
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.changelog import HEADER, Changelog, NewestRows
from pipeline.copies import SEPARATOR
from pipeline.counted import CountedState
from pipeline.counted_rows import CORRECTED, FINAL, Campaign
from pipeline.event_ids import CHUNK_IDS
from pipeline.event_ids import PREFIX as IDS_PREFIX
from pipeline.per_record import BUILT
from pipeline.versions import order_of
from schemas.window import Window
from tests.partition import Rec, read_back
from tests.property.test_wire_records import batch_of, built

T0 = 1_790_000_000_000
DAY_MS, HOUR_MS, MINUTE_MS = 86_400_000, 3_600_000, 60_000
encode = msgspec.msgpack.encode

# -- which copy is the newest, and who holds copies ------------------------------------------------------------------

_names = st.sampled_from([b"a", b"b", b"c", b"", b"longer name"])
_keys = st.sampled_from([b"k", b"l", b"", b"\0header", b"k" * 300, b"with\x1eseparator", "ä|b".encode()])
_row_keys = _keys.filter(bool)  # no row is ever written under an empty key
_whole_keys = st.one_of(
    st.builds(lambda key, name: key + SEPARATOR + name, _keys, _names), st.sampled_from([None, b"", b"no separator"])
)
_orders = st.one_of(
    st.integers(0, 5),
    st.sampled_from([127, 128, 2**16, 2**32, 2**53, 2**63 - 1, 2**63, -1, -33, -129, -(2**15) - 1, -(2**40)]),
    st.floats(0, 5),
)
_values = st.one_of(
    st.none(), st.builds(lambda order, more: encode([order, *more]), _orders, st.lists(_orders, max_size=3))
)
_log = st.lists(st.tuples(_whole_keys, _values), max_size=40)


def changelog_of(
    log: list[tuple[bytes | None, bytes | None]], *, in_c: bool, cuts: list[int] | None = None
) -> Changelog:
    """`cuts`: read as batches of bytes between these, where C is there to do it."""
    changelog = Changelog(b"me", in_c=in_c)
    if cuts is None or not in_c:
        changelog.read(Rec(0, 0, key, value) for key, value in log)
        return changelog
    bounds = sorted({0, len(log), *(cut for cut in cuts if cut < len(log))})
    for start, stop in itertools.pairwise(bounds):
        changelog.read_batch(batch_of(built(start, [(0, key, value, []) for key, value in log[start:stop]])))
    return changelog


def outcome(changelog: Changelog, picked: bytes, taken: list[bytes], *, forget: bool) -> list[Any]:
    found: list[Any] = [changelog.pick(picked), list(changelog.drain()), changelog.pick(picked), changelog.keys]
    if forget:
        changelog.forget_keys()
        found.append(changelog.keys)
    found += [changelog.write([(key, [9])]) for key in taken]
    found.append(changelog.keys)
    return found


@given(_log, st.lists(st.integers(1, 40), max_size=3), _keys, st.lists(_row_keys, max_size=12), st.booleans())
@settings(max_examples=500, deadline=None)
def test_the_same_copies_are_the_newest_and_the_same_are_deleted(
    log: list[Any], cuts: list[int], picked: bytes, taken: list[bytes], forget: bool
) -> None:
    expected = outcome(changelog_of(log, in_c=False), picked, taken, forget=forget)
    assert outcome(changelog_of(log, in_c=BUILT), picked, taken, forget=forget) == expected
    assert outcome(changelog_of(log, in_c=BUILT, cuts=cuts), picked, taken, forget=forget) == expected


@given(st.integers(0, 2**32), st.integers(2, 9))
@settings(max_examples=20, deadline=None)
def test_of_many_rows_written_often_under_many_names_nothing_is_lost(seed: int, every: int) -> None:
    """Enough to make the tables in C grow, and throw away what is gone, several times."""
    log: list[tuple[bytes | None, bytes | None]] = []
    for n in range(3_000):
        number = (n * 7_919 + seed) % 700
        key = b"row %d" % number + SEPARATOR + b"%d" % (n * 13 // 700 % 4)
        log.append((key, None if n % every == 0 else encode([n % 50, "x" * (n * seed % 2_000)])))
    taken = [b"row %d" % number for number in range(0, 720, 3)]
    for forget in (False, True):
        expected = outcome(changelog_of(log, in_c=False), b"row 1", taken, forget=forget)
        assert outcome(changelog_of(log, in_c=BUILT, cuts=[100, 2_000]), b"row 1", taken, forget=forget) == expected


# -- rows into a state -----------------------------------------------------------------------------------------------

CAMPAIGNS = ["meta:a1:c1", "meta:a1:c2", "email:ä:c3", "tiktok:a2:x:y"]
_window = st.sampled_from([(Window.MINUTE, MINUTE_MS), (Window.HOUR, HOUR_MS), (Window.DAY, DAY_MS)])
ODD_MEASURES = [2**63, 1.5]
_measure = st.sampled_from([*[0, 1, 7, 127, 128, 12_345, 2**31, 2**40, -1, -200] * 5, *ODD_MEASURES])


@st.composite
def window_row(draw: st.DrawFn) -> tuple[bytes, list[Any]]:
    window, length_ms = draw(_window)
    start_ms = T0 - T0 % DAY_MS + length_ms * draw(st.integers(0, 3))
    ad = draw(st.sampled_from(["", "", "ad-1", "äd"]))
    place = f"{draw(st.sampled_from(CAMPAIGNS))}|{ad}|{window}|{start_ms // 1000}"
    end_ms = start_ms + length_ms * draw(st.sampled_from([1, 1, 1, 2]))
    as_of_ms = draw(st.sampled_from([T0, T0 + 1, T0 + 3 * DAY_MS, T0 + 30 * DAY_MS]))
    flags = draw(st.sampled_from([0, 0, FINAL, FINAL | CORRECTED]))
    measures = draw(st.lists(_measure, max_size=15))
    return place.encode(), [
        order_of(2, draw(st.integers(0, 9))),
        as_of_ms,
        draw(st.integers(0, 300)),
        flags,
        end_ms,
        *measures,
    ]


_ids = st.lists(st.sampled_from(["e1", "e2", "meta:a1:c1|e3", "ü", "x" * 200]), max_size=4)
_chunk = st.builds(
    lambda hour, first, names: (IDS_PREFIX + f"{hour}|{first}".encode(), [1, hour, names]),
    st.integers(T0 // HOUR_MS - 30, T0 // HOUR_MS),
    st.integers(0, CHUNK_IDS),
    _ids,
)
_campaign = st.builds(
    lambda key, zone, currency: (b"\0campaign|" + key.encode(), [1, zone, currency]),
    st.sampled_from(CAMPAIGNS),
    st.sampled_from(["UTC", "Europe/Berlin", "Zöne"]),
    st.sampled_from(["EUR", ""]),
)
_expired = st.just((b"\0expired", [1, [["1d", [T0 // DAY_MS - 500]]]]))
_kept = st.lists(st.one_of(window_row(), window_row(), window_row(), _campaign, _chunk, _expired), max_size=30)
_odd_row = st.sampled_from(
    [
        (b"", [1, 2, 0, 0, 3]),
        (b"meta:a1:c1", [1, 2, 0, 0, 3]),
        (b"meta:a1:c1|", [1, 2, 0, 0, 3]),
        (b"meta:a1:c1||1m", [1, 2, 0, 0, 3]),
        (b"meta:a1:c1||1m|x", [1, 2, 0, 0, 3]),
        (b"meta:a1:c1||2m|60", [1, 2, 0, 0, 3]),
        (b"meta:a1:\xff||1m|60", [1, 2, 0, 0, 3]),
        (b"meta:a1:c1||1m|60", [1, 2, 0]),
        (b"meta:a1:c1||1m|60", []),
        (b"\0campaign|meta:a1", [1, "UTC", "EUR"]),
        (b"\0campaign|meta:a1:c1", [1, "UTC"]),
    ]
)
_header = (HEADER, [order_of(2, 5), 1, 5, "", T0])


def restored(kept: list[tuple[bytes, list[Any]]], *, in_c: bool) -> CountedState:
    changelog = Changelog(b"me", in_c=in_c)
    changelog.read(Rec(0, 0, key + SEPARATOR + b"old", encode(row)) for key, row in kept)
    state = CountedState("raw.events.v1", 0, generation=2, in_c=in_c)
    rows = changelog.drain([_header])
    assert isinstance(rows, NewestRows)
    assert (rows.in_c is not None) == in_c
    state.load(rows, counted_to=5)
    return state


def looked_at(state: CountedState) -> list[Any]:
    windows, ids = state.windows, state._ids
    slots = [
        (slot.window, slot.start_ms, slot.end_ms, slot.is_waiting, slot.is_pushed, slot.watched_ms, slot.rows)
        for slot in windows.slots
    ]
    corrected = [(slot.window, slot.start_ms, name, row) for slot, name, row in windows._fold.corrected.values()]
    campaigns = {
        key: [getattr(campaign, name) for name in Campaign.__slots__] for key, campaign in state.campaigns.items()
    }
    return [
        sorted(slots, key=repr),
        sorted(corrected, key=repr),
        campaigns,
        (windows.clock_ms, windows.guard_to, windows.expiry.forgotten, state._from_ms),
        (len(ids), ids.hour, ids._chunks, ids._noted),
    ]


def what_follows(state: CountedState) -> list[Any]:
    """Events of campaigns that are known or not, then time passes."""
    body = (
        '{"event_id":"%s","platform":"meta","account_id":"a1","campaign_id":"%s","at":%d,"type":"click","ad_id":"ad-1"}'
    )
    found = []
    for step, wait_ms in enumerate((0, MINUTE_MS, HOUR_MS, 3 * DAY_MS, 40 * DAY_MS)):
        offset, now_ms = 10 + 10 * step, T0 + wait_ms
        events = [(event_id, campaign) for event_id in ("e1", "e3", f"new {step}") for campaign in ("c1", "c9")]
        state.count(
            [
                Rec(offset + n, now_ms, f"meta:a1:{campaign}".encode(), (body % (event_id, campaign, now_ms)).encode())
                for n, (event_id, campaign) in enumerate(events)
            ]
        )
        taken = state.take()
        found.append((sorted(taken.outputs, key=repr), read_back(taken.rows)))
    return found


@given(_kept)
@settings(max_examples=300, deadline=None)
def test_a_state_that_was_restored_in_c_is_the_state_restored_in_python(kept: list[Any]) -> None:
    # A campaign is written before its rows; but once its currency is learnt it is written again, behind them.
    kept = [*kept, *((b"\0campaign|" + key.encode(), [1, "UTC", "EUR"]) for key in CAMPAIGNS)]
    ours, theirs = restored(kept, in_c=BUILT), restored(kept, in_c=False)
    assert looked_at(ours) == looked_at(theirs)
    if not any(odd in row for _, row in kept for odd in ODD_MEASURES):  # nothing makes them, and nothing counts on them
        assert what_follows(ours) == what_follows(theirs)


@given(_kept, _odd_row, st.integers(0, 30))
@settings(deadline=None)
def test_what_python_refuses_to_restore_is_not_restored_in_c(kept: list[Any], odd: Any, at: int) -> None:
    kept = [*kept[:at], odd, *kept[at:]]

    def refused(*, in_c: bool) -> str:
        try:
            restored(kept, in_c=in_c)
        except Exception as error:  # noqa: BLE001 - whatever it is
            return type(error).__name__
        return ""

    assert refused(in_c=BUILT) == refused(in_c=False)


def test_rows_share_the_name_of_their_campaign_and_what_they_have_in_common() -> None:
    """It is a third of the memory of a million rows."""
    key, numbers = "meta:account one:campaign one", [order_of(2, 2**33), T0, 0, 0]
    kept: list[tuple[bytes, list[Any]]] = [(b"\0campaign|" + key.encode(), [1, "UTC", "EUR"])]
    for window, length_ms in ((Window.MINUTE, MINUTE_MS), (Window.HOUR, HOUR_MS)):
        start_ms = T0 - T0 % length_ms
        row = [*numbers, start_ms + length_ms, 0, 1, 0, 12_345]
        kept.append((f"{key}||{window}|{start_ms // 1000}".encode(), row))
    state = restored(kept, in_c=BUILT)
    (first_name, first), (second_name, second) = [pair for slot in state.windows.slots for pair in slot.rows.items()]
    assert first == second == [*numbers, 0, 1, 0, 12_345]
    assert first_name is second_name is state.campaigns[key.encode()].key
    assert [one is other for one, other in zip(first, second, strict=True)] == [True] * len(first)
