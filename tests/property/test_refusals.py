"""What is said of a refused event, byte for byte as the long way says it; and C refuses only what Python would."""

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline import events
from pipeline.counted import CountedState
from pipeline.errors import BadRecord
from pipeline.event_refusal import MIN_AT_MS
from pipeline.per_record import BUILT, counters
from schemas.topics import DEAD_LETTERS, RAW_EVENTS
from tests.bench.events import START_MS
from tests.bench.events import events as bench_events
from tests.bench.poison import POISONS
from tests.counted_states import each_kind
from tests.partition import Rec
from tests.property.test_native import PLAIN, STREAM, T0, bodies, damaged, records_of
from tests.slow_refusal import slow_refusal
from tests.wire_reading import WireRecords
from tests.wire_writing import write_records

KEY = b"meta:a1:c1"
HOUR_MS, FOREVER_MS = 3_600_000, 2**60

# -- what is said ----------------------------------------------------------------------------------------------------


@settings(max_examples=500, deadline=None)
@given(st.one_of(bodies(), bodies().flatmap(damaged), st.binary(max_size=40)), st.sampled_from([T0, 0, 2**40]))
@example(b"x" * (2**20 + 1), T0)
@example(b'{"at":' + b"9" * 5000 + b"}", T0)
@example(b'{"event_id":' * 2000, T0)
def test_a_refusal_is_what_the_long_way_says(value: bytes, received_ms: int) -> None:
    found = events.refusal(value, received_ms)
    assert (found.code, found.field, found.reason) == slow_refusal(value, received_ms)
    code, field, detail = slow_refusal(value, received_ms)
    whole = f"{field}: {detail}" if field and detail else field or detail
    assert (found.detail, str(found)) == (whole, f"{code}: {whole}")


@settings(max_examples=200, deadline=None)
@given(STREAM)
def test_a_letter_is_the_record_and_what_the_long_way_says(items: list[Any]) -> None:
    records = records_of(items)
    for in_c in {False, BUILT}:
        state = CountedState(RAW_EVENTS, 3, in_c=in_c)
        state.count(records)
        letters = [(key, value) for topic, key, value in state.take().outputs if topic == DEAD_LETTERS]
        offsets = [json.loads(value)["offset"] for _, value in letters]
        assert offsets == sorted(set(offsets))
        assert sum(n for (kind, _), n in state.tallies().items() if kind == "dead") == len(letters)
        for offset, (key, value) in zip(offsets, letters, strict=True):
            assert (key, value) == (records[offset].key, letter_of(records[offset], json.loads(value)))


OF_STATE = {
    "wrong_key": "^the record is filed under|^the key is",
    "bad_zone": "^the days of .* are those of",
    "bad_currency": " is counted in ",
}


def letter_of(record: Rec, found: dict[str, Any]) -> bytes:
    """As it must be; what only the state knows (another campaign, currency or zone) is taken from `found`."""
    code, field, detail = slow_refusal(record.value or b"", record.timestamp)
    if found["code"] in OF_STATE and re.search(OF_STATE[found["code"]], found["detail"]):
        # Asked of a form that is good so far, and before what is looked at only of the first event of a campaign.
        events.decode(record.value or b"")
        code, field, detail = found["code"], found["field"], found["detail"]
    fields = {
        "schema_version": 1,
        "code": code,
        "field": field,
        "detail": detail[:500],
        "stage": "aggregate",
        "topic": RAW_EVENTS,
        "partition": 3,
        "offset": record.offset,
        "timestamp_ms": record.timestamp,
        "key": base64.b64encode(record.key or b"").decode(),
        "value": base64.b64encode(record.value or b"").decode(),
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


# -- what C refuses --------------------------------------------------------------------------------------------------


KNOWN = (  # one that is counted in a currency, and one that has none yet
    (KEY, {**PLAIN, "currency": "EUR"}),
    (b"email:a1:c2", {**PLAIN, "campaign_id": "c2", "platform": "email"}),
)
FIRSTS = [Rec(n, T0, key, json.dumps(body).encode()) for n, (key, body) in enumerate(KNOWN)]


@settings(max_examples=1_000, deadline=None)
@given(
    st.one_of(bodies(), bodies().flatmap(damaged), bodies().flatmap(damaged).flatmap(damaged)),
    st.sampled_from([KEY, KEY, b"email:a1:c2", b"meta:a1:c-new", b"", None]),
    st.sampled_from([T0, T0, T0 - 86_400_001]),
)
def test_what_c_refuses_python_would_not_count(value: bytes, key: bytes | None, received_ms: int) -> None:
    record = Rec(2, received_ms, key, value)
    ids, panes = counters(24, in_c=BUILT)
    panes.count([*FIRSTS, record], 0, FOREVER_MS, MIN_AT_MS, -1, ids)
    if panes.refused:
        assert [refused for refused, _ in panes.refused] == [record]
        state = CountedState(RAW_EVENTS, 0, in_c=False)
        state.count(FIRSTS)
        with pytest.raises(BadRecord):
            state._count_one(record, value)


# What C does not read, though Python counts it: each what is replaced in the text of a good event, and by what.
ODDITIES = (
    (f'"at": {T0}', '"at": "2026-09-21T12:00:00Z"'),
    (f'"at": {T0}', '"at": "\\u0032026-09-21T12:00:00+02:00"'),
    ('"type"', '"\\u0074ype"'),
    ('"e1"', '"\\u0065\u00e91"'),
    ('"e1"', '"e\x7f1"'),
    ('"c1"', '"\\u0063\\u0031"'),
    ("{", '{"at": 1, '),
    ("{", '{"count": 2, "count": 3, '),
    ("{", '{"spend_micros": -0, '),
    ("{", '{"zone": null, "zone": "UTC", '),
    ("{", '{"x": "\\ud83d\\ude00 \\" {", '),
    ("{", '{"\u00e9": 1, '),
    ("{", '{"x": ' + "[" * 20 + "]" * 20 + ", "),
    ("{", '{"x": 1e5, "y": -0.5E-3, '),
)


@settings(deadline=None)
@given(st.lists(st.sampled_from(ODDITIES), min_size=1, max_size=3, unique=True))
def test_c_does_not_refuse_what_is_only_odd(oddities: list[tuple[str, str]]) -> None:
    text = json.dumps(PLAIN)
    for plain, odd in oddities:
        text = text.replace(plain, odd, 1)
    record = Rec(2, T0, KEY, text.encode())
    state = CountedState(RAW_EVENTS, 0, in_c=False)
    state.count([*FIRSTS, record])
    assert state.tallies().get(("dead", "malformed")) is None
    ids, panes = counters(24, in_c=BUILT)
    panes.count([*FIRSTS, record], 0, FOREVER_MS, MIN_AT_MS, -1, ids)
    assert panes.refused == []


@pytest.mark.parametrize("oddity", ODDITIES)
def test_an_oddity_alone_is_counted(oddity: tuple[str, str]) -> None:
    state = CountedState(RAW_EVENTS, 0, in_c=False)
    state.count([*FIRSTS, Rec(2, T0, KEY, json.dumps(PLAIN).replace(*oddity, 1).encode())])
    assert not any(kind == "dead" for kind, _ in state.tallies())


def test_c_does_not_refuse_the_first_currency_of_a_campaign() -> None:
    key, body = KNOWN[1]
    record = Rec(2, T0, key, json.dumps({**body, "currency": "USD"}).encode())
    ids, panes = counters(24, in_c=BUILT)
    panes.count([*FIRSTS, record], 0, FOREVER_MS, MIN_AT_MS, -1, ids)
    assert panes.refused == []


@pytest.mark.parametrize("poison", range(len(POISONS)))
def test_every_poison_of_the_bench_is_refused_on_the_way(poison: int) -> None:
    """In C where that was built, without an end to the loop; and by the same letter as in Python."""
    good = list(bench_events(50, campaigns=1))
    pairs: list[tuple[bytes | None, bytes | None]] = []
    for key, value in good:
        pairs += [(key, value), (key, POISONS[poison](value))]
    records, _ = write_records(pairs, 0, 1 << 30)
    wire = WireRecords([(records, 0, len(records), 0, START_MS, len(pairs))])
    ids, panes = counters(24, in_c=BUILT)
    seen = 0
    while seen < len(pairs):
        at = panes.count(wire, seen, FOREVER_MS, MIN_AT_MS, -1, ids)
        assert not BUILT or at == len(pairs)
        seen = at + 1
    assert len(panes.refused) == (50 if BUILT else 0)
    letters = []
    for in_c in (BUILT, False):
        state = CountedState(RAW_EVENTS, 0, in_c=in_c)
        state.count(wire)
        letters.append([output for output in state.take().outputs if output[0] == DEAD_LETTERS])
    assert len(letters[0]) == 50
    assert letters[0] == letters[1]


@each_kind
def test_letters_keep_their_place_among_totals(in_c: bool) -> None:
    """Readers of one topic cannot tell; but what is published is the same however it is counted."""
    good = json.dumps(PLAIN).encode()
    records = [
        Rec(0, T0, KEY, good),
        Rec(1, T0, KEY, b"{}"),
        Rec(2, T0 + HOUR_MS, None, None),
        Rec(3, T0 + HOUR_MS, KEY, b"["),
    ]
    state = CountedState(RAW_EVENTS, 0, in_c=in_c)
    state.count(records)
    topics = [topic for topic, _, _ in state.windows.outputs]
    assert topics[0] == topics[-1] == DEAD_LETTERS
    assert topics.count(DEAD_LETTERS) == 2
