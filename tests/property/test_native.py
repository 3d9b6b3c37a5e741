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
from pipeline.event_refusal import MAX_COUNT, TYPES
from pipeline.id_memory import IdMemory
from pipeline.per_record import BUILT, counters
from schemas.event import MAX_MICROS
from tests.partition import Rec

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
