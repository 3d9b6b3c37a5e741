"""What is counted in C is what is counted in Python, of any bytes a record may hold, and both see the same as odd.

Where no C compiler was there both are Python, and this says nothing.
"""

import itertools
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.changelog import encoded
from pipeline.counted import CountedState
from pipeline.counted_rows import DAY_MS, Campaign
from pipeline.event_refusal import MAX_COUNT, TYPES
from pipeline.id_memory import IdMemory
from pipeline.id_names import IdNames
from pipeline.per_record import BUILT, counters
from schemas.event import MAX_MICROS
from schemas.topics import DEAD_LETTERS
from tests.counted_states import maker
from tests.partition import MemoryPartition, Rec
from tests.property.test_counted import CUTS, DEATHS, EARLY, published

T0 = 1_790_000_000_000
KEYS = [b"meta:a1:c1", b"email:a1:c2", b"meta:a1:c-new"]

_id = st.one_of(st.sampled_from(["a", "x.y-z_1", "", "ä", "a b", "a" * 128, "a" * 129, 'q"uote', "n\n", "\x7f"]))
_micros = st.sampled_from([0, 1, 999, MAX_MICROS, MAX_MICROS + 1, -1, 1.5, "7", None, True])
_odd = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(max_size=5),
        st.sampled_from(["€", "\\", "/"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "event_id": st.one_of(st.sampled_from(["e1", "e2", "e3"]), _id, st.integers()),
    "platform": st.sampled_from(["meta", "email", "metaverse", "", None]),
    "account_id": st.sampled_from(["a1", "a2"]),
    "campaign_id": st.sampled_from(["c1", "c2", "c-new", ""]),
    "at": st.one_of(
        st.sampled_from(
            [T0, T0 + 1, T0 - 59_999, T0 + 86_400_001 + 60_000, 0, -5, 10**18, 10**19, "2026-09-21T12:00:00Z", 1.5]
        ),
        st.integers(T0 - 200_000, T0 + 200_000),
    ),
    "type": st.one_of(st.sampled_from(TYPES), st.sampled_from(["clicks", "", None])),
    "ad_id": st.one_of(st.none(), _id),
    "count": st.sampled_from([1, 2, MAX_COUNT, MAX_COUNT + 1, 0, -1, 1.0, None]),
    "spend_micros": _micros,
    "revenue_micros": _micros,
    "conversions_micros": _micros,
    "currency": st.sampled_from([None, "EUR", "USD", "eur", "EURO"]),
    "zone": st.sampled_from([None, "UTC", "Europe/Berlin", "Mars/Base"]),
    "page": _odd,
    "ref": _odd,
}
PLAIN = {"event_id": "e1", "platform": "meta", "account_id": "a1", "campaign_id": "c1", "at": T0, "type": "click"}


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """The JSON of an event: mostly plain, with up to three fields that are anything, written in many ways."""
    body: dict[str, Any] = {**PLAIN, "event_id": f"e{draw(st.integers(0, 8))}"}
    for name in draw(st.lists(st.sampled_from(sorted(FIELDS)), max_size=3)):
        body[name] = draw(FIELDS[name])
    for name in draw(st.lists(st.sampled_from(sorted(PLAIN)), max_size=1 if draw(st.integers(0, 9)) == 0 else 0)):
        body.pop(name)
    names = draw(st.permutations(sorted(body)))
    text = json.dumps(
        {name: body[name] for name in names},
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")])),
    )
    value = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 5)) == 0:
        value = draw(damaged(value))
    return value


@st.composite
def damaged(draw: st.DrawFn, value: bytes) -> bytes:  # noqa: PLR0911
    """One thing done to it that a network, a bug or a person might do."""
    at = draw(st.integers(0, len(value)))
    kind = draw(st.integers(0, 6))
    if kind == 0:
        return value[:at]
    if kind == 1:
        return value[:at] + draw(st.binary(min_size=1, max_size=3)) + value[at:]
    if kind == 2:
        return value[:at] + value[at + 1 :]
    if kind == 3:
        return value.replace(b"{", b'{"event_id":"e1",', 1)
    if kind == 4:
        return value.replace(
            b"{",
            b'{"x":'
            + draw(
                st.sampled_from(
                    [
                        b"01",
                        b"-",
                        b"1.",
                        b"1e",
                        b'"\\u00e9"',
                        b'"\\ud800"',
                        b"\xff",
                        b'"\xc3"',
                        b"nul",
                        b"[1,]",
                        b"-0.5e+3",
                    ]
                )
            )
            + b",",
            1,
        )
    if kind == 5:
        return value + draw(st.sampled_from([b" ", b"}", b"\0", b"\n\n", b"{}"]))
    return draw(st.sampled_from([b"", b"null", b"[]", b"{}", b"{", b'{"a":1,}', b"\xef\xbb\xbf" + value, value * 2]))


STREAM = st.lists(
    st.tuples(st.sampled_from(KEYS), bodies(), st.sampled_from([0, 0, 1, 900, 1_000, 61_000])), min_size=1, max_size=25
)


def records_of(items: list[tuple[bytes, bytes, int]]) -> list[Rec]:
    records: list[Rec] = []
    now = T0
    for key in KEYS[:2]:
        platform, account, campaign = key.decode().split(":")
        body = {
            **PLAIN,
            "event_id": "first",
            "platform": platform,
            "account_id": account,
            "campaign_id": campaign,
            "currency": "EUR",
        }
        records.append(Rec(len(records), now, key, json.dumps(body).encode()))
    for key, value, wait_ms in items:
        now += wait_ms
        records.append(Rec(len(records), now, key, value))
    return [*records, Rec(len(records), now + 120_000, None, None), Rec(len(records) + 1, now + 240_000, None, None)]


def outcome(records: list[Rec], cuts: list[int], *, in_c: bool) -> tuple[list[Any], dict[Any, int]]:
    state = CountedState("raw.events.v1", 0, in_c=in_c)
    found: list[Any] = []
    bounds = sorted({0, len(records), *(cut for cut in cuts if cut < len(records))})
    for start, end in itertools.pairwise(bounds):
        state.count(records[start:end])
        taken = state.take()
        rows = [(key, encoded(row) if isinstance(row, list) else row) for key, row in taken.rows]
        found.append((sorted(taken.outputs, key=repr), sorted(rows, key=repr), taken.upto))
    return found, state.tallies()


@given(STREAM, st.lists(st.integers(1, 25), max_size=3))
@settings(max_examples=500, deadline=None)
def test_both_count_the_same_and_refuse_the_same(items: list[Any], cuts: list[int]) -> None:
    records = records_of(items)
    assert outcome(records, cuts, in_c=BUILT) == outcome(records, cuts, in_c=False)


# -- first events --------------------------------------------------------------------------------------------------

# Mostly good ones: what one may say of a campaign, and what nobody may.
_zones = st.sampled_from(
    [*[None, "UTC", "Europe/Berlin", "Asia/Kolkata"] * 3, "Mars/Base", "", "utc", "localtime", "../UTC", "Etc/" * 40, 7]
)
_currencies = st.sampled_from([*["EUR", "USD", None] * 3, "eur", "EURO", "E R", "", "\u20ac\u20ac\u20ac", 978])
_ads = st.sampled_from([*[None, "ad1", "ad2"] * 3, "", "ad|1", "a" * 129])
_accounts = st.sampled_from([*["a1", "a2", "A_b.c-9"] * 3, "", "a:1", "a b", "\u00e4", "a" * 128, "a" * 129])
_platforms = st.sampled_from([*["meta", "email", "google_ads"] * 3, "metaverse", "met", ""])
FIRST = st.tuples(
    st.integers(0, 7),  # campaign
    st.one_of(st.just(("meta", "a1")), st.tuples(_platforms, _accounts)),
    st.tuples(_zones, _currencies, _ads),
    st.sampled_from(["", "", "", "", "", "", "key", "none", "more", "less"]),  # what is wrong with the key
    st.integers(0, 5),  # event id
    st.sampled_from([0, 0, 0, 1, 59_999, 3_600_000, DAY_MS, 3 * DAY_MS, -DAY_MS, -DAY_MS - 60_000]),  # ago
    st.sampled_from([0, 0, 0, 0, 1, 1_000, 61_000, DAY_MS, 2 * DAY_MS]),  # since the last one
)
HORIZON_MS = {"1m": DAY_MS, "5m": DAY_MS, "1h": DAY_MS, "1d": 2 * DAY_MS}


def first_records(items: list[Any]) -> list[Rec]:
    records, now = [Rec(0, T0, None, None)], T0  # from here on there is a time
    for number, (platform, account), (zone, currency, ad), wrong, event_id, ago_ms, wait_ms in items:
        now += wait_ms
        body = {**PLAIN, "event_id": f"e{event_id}", "platform": platform, "account_id": account, "at": now - ago_ms}
        body |= {"campaign_id": f"c{number}", "zone": zone, "currency": currency, "ad_id": ad}
        body = {name: value for name, value in body.items() if value is not None or event_id % 2}
        right = f"{platform}:{account}:c{number}".encode()
        key = {"": right, "key": b"meta:a1:c0", "none": None, "more": right + b"0", "less": right[:-1]}[wrong]
        records.append(Rec(len(records), now, key, json.dumps(body).encode()))
    return [*records, *(Rec(len(records) + n, now + n * DAY_MS, None, None) for n in range(3))]


def parts_of(campaigns: dict[bytes | None, Campaign]) -> dict[bytes | None, list[Any]]:
    return {key: [getattr(campaign, slot) for slot in Campaign.__slots__] for key, campaign in campaigns.items()}


def in_the_end(records: list[Rec], how: tuple[Any, ...], *, in_c: bool) -> list[Any]:
    """What readers hold after all deaths, and what the next assignment restores."""
    partition = MemoryPartition(maker("raw.events.v1", in_c, horizon_ms=HORIZON_MS))
    partition.run(records, *how)
    state, _ = partition.start()
    assert isinstance(state, CountedState)
    letters = {(key, value) for topic, key, value in partition.outputs if topic == DEAD_LETTERS}
    return [published(partition), letters, state.windows.rows, parts_of(state.campaigns)]


@given(st.lists(FIRST, min_size=1, max_size=30), st.tuples(CUTS, DEATHS, EARLY))
@settings(max_examples=500, deadline=None)
def test_both_come_to_know_the_same_campaigns(items: list[Any], how: tuple[Any, ...]) -> None:
    records = first_records(items)
    assert outcome(records, how[0], in_c=BUILT) == outcome(records, how[0], in_c=False)
    assert in_the_end(records, how, in_c=BUILT) == in_the_end(records, how, in_c=False)


# -- event ids -----------------------------------------------------------------------------------------------------

NOTES = st.lists(
    st.one_of(
        st.tuples(
            st.just("note"),
            st.sampled_from([f"k|{n}" for n in range(30)] + ["k|ä", "", "k|" + "x" * 900]),
            st.integers(0, 6),
        ),
        st.tuples(st.just("forget"), st.just(""), st.integers(0, 6)),
    ),
    max_size=120,
)


@given(NOTES)
@settings(max_examples=400, deadline=None)
def test_both_remember_the_same_ids(steps: list[tuple[str, str, int]]) -> None:
    ours, theirs = counters(24, in_c=BUILT)[0].memory, IdMemory()
    hour = 0
    for kind, name, ahead in steps:
        hour += ahead
        if kind == "note":
            assert ours.note(name, hour) == theirs.note(name, hour)
        else:
            ours.forget_before(max(0, hour - 6))
            theirs.forget_before(max(0, hour - 6))
        assert len(ours) == len(theirs)


_names = st.one_of(st.text(max_size=40), st.integers(0, 300).map(lambda size: "x" * size), st.just("\u20ac" * 30_000))


@given(st.lists(st.one_of(_names, st.integers(0, 20)), max_size=60), st.integers(0, 60), st.integers(0, 60))
@settings(deadline=None)
def test_both_pack_the_same_names(steps: list[str | int], start: int, stop: int) -> None:
    ours, theirs = counters(24, in_c=BUILT)[0].names, IdNames()
    for step in steps:
        for names in (ours, theirs):
            if isinstance(step, str):
                names.append(step)
            else:
                names.drop(min(step, len(names)))
    assert [ours[index] for index in range(len(ours))] == list(theirs)
    stop = min(stop, len(theirs))
    start = min(start, stop)
    assert ours.packed(start, stop) == theirs.packed(start, stop)
