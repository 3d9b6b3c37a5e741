"""Any bytes are an event or a refusal, and the fast reading and the slow one are of one mind."""

import json
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline import event_refusal, events
from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from pipeline.event_refusal import REQUIRED
from schemas.event import Event
from schemas.measures import MEASURES

NOW_MS = 1_763_713_254_000
GOOD: dict[str, Any] = {
    "event_id": "e-1",
    "platform": "sms",
    "account_id": "a",
    "campaign_id": "c",
    "at": NOW_MS,
    "type": "conversion",
}
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(NOW_MS - 10**12, NOW_MS + 10**9),
    st.floats(),
    st.text(max_size=200),
    st.sampled_from(["EUR", "eur", "Europe/Berlin", "Europe", "click", "meta", "2025-11-21T00:00:00Z", "a-1", "a b"]),
    st.datetimes().map(lambda t: t.isoformat() + "Z"),
    st.datetimes().map(lambda t: t.isoformat()),
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
NAMES = st.sampled_from([*Event.model_fields, "other"])


def read(value: bytes) -> events.EventIn | BadRecord:
    try:
        return events.read(value, NOW_MS)
    except BadRecord as refused:
        return refused


def check(value: bytes) -> events.EventIn | BadRecord:
    result = read(value)
    if isinstance(result, BadRecord):
        assert result.code in set(BadRecordCode)
        assert result.field or result.code in {"malformed", "oversized"}
    else:
        assert all(0 <= amount <= 10**15 for amount in events.measures_of(result))
        assert len(events.measures_of(result)) == len(MEASURES)
        assert events.MIN_AT_MS <= events.at_ms(result) <= NOW_MS + events.MAX_AHEAD_MS
        # nothing is wrong with it: the slow reading can only say so
        assert events.refusal(value, NOW_MS).reason == "not JSON as RFC 8259 has it"
        events.check_first(result, events.key_of(result), value, NOW_MS)
    return result


@settings(deadline=None)
@given(st.binary())
@example(b'{"a":' * 2000)
@example(b"[" * 50_000)
@example(b'{"at":' + b"9" * 5000 + b"}")
def test_any_bytes_are_an_event_or_a_refusal(value: bytes) -> None:
    assert isinstance(check(value), BadRecord)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # the first text draws a table of all letters
@given(st.dictionaries(NAMES, JSON, max_size=4), st.sets(st.sampled_from(REQUIRED), max_size=1))
def test_an_object_of_any_fields_is_an_event_or_a_refusal_that_names_the_field(
    changed: dict[str, Any], absent: set[str]
) -> None:
    body = {name: content for name, content in (GOOD | changed).items() if name not in absent}
    result = check(json.dumps(body).encode())
    if absent:
        assert isinstance(result, BadRecord)
        assert (result.code, result.field) == ("missing_field", *absent)
    if isinstance(result, BadRecord) and result.field:
        assert result.field in {*changed, *absent}


@settings(deadline=None)
@given(st.binary(max_size=20), st.integers(0, 400))
def test_a_good_event_with_bytes_thrown_in_is_an_event_or_a_refusal(noise: bytes, place: int) -> None:
    value = json.dumps(GOOD).encode()
    check(value[:place] + noise + value[place:])


@settings(deadline=None)
@given(st.dictionaries(NAMES, JSON, max_size=4), st.booleans())
def test_the_quick_reading_of_a_refused_event_finds_what_the_slow_one_finds(fields: Any, plain: bool) -> None:
    value = json.dumps(fields, ensure_ascii=plain).encode("utf-8", "surrogatepass")
    slow = event_refusal._decode(value.decode("utf-8", "replace"))
    assert repr(event_refusal._read(value)) == repr(slow)
