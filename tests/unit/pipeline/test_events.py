"""What an event's record is checked for beyond its text: size, key, depth."""

import json
from typing import Any, get_args

import pytest

from pipeline import events
from pipeline.errors import BadRecord
from schemas.event import Event, EventType
from schemas.measures import MEASURES
from schemas.platform import PLATFORMS

NOW_MS = 1_763_713_254_000
KEY = b"meta:act_1:77"


def event(**fields: Any) -> bytes:
    body = {
        "event_id": "e-1",
        "platform": "meta",
        "account_id": "act_1",
        "campaign_id": "77",
        "at": NOW_MS,
        "type": "click",
    }
    return json.dumps(body | fields).encode()


def test_an_event_of_a_megabyte_is_read_and_one_byte_more_is_oversized() -> None:
    room = events.MAX_EVENT_BYTES - len(event(note=""))
    assert events.read(event(note="x" * room), NOW_MS).event_id == "e-1"
    with pytest.raises(BadRecord) as refused:
        events.read(event(note="x" * (room + 1)), NOW_MS)
    assert (refused.value.code, refused.value.field) == ("oversized", "")


def test_text_nested_deeper_than_the_stack_is_malformed_and_nothing_worse() -> None:
    deep = event(note="DEEP").replace(b'"DEEP"', b"[" * 100_000)
    with pytest.raises(BadRecord) as refused:
        events.read(deep, NOW_MS)
    assert refused.value.code == "malformed"


def test_bytes_that_are_no_text_do_not_hide_what_is_wrong_with_a_field() -> None:
    value = event(note="BAD", count=-1).replace(b"BAD", b"\xff\xfe")
    assert (events.refusal(value, NOW_MS).code, events.refusal(value, NOW_MS).field) == ("bad_value", "count")


def test_the_key_of_an_event_is_its_campaign() -> None:
    assert events.key_of(events.decode(event())) == KEY


@pytest.mark.parametrize("key", [b"", b"meta:act_1:78", b"meta:act_1", b"\xff"])
def test_the_first_event_of_a_campaign_under_another_key_is_refused(key: bytes) -> None:
    value = event()
    with pytest.raises(BadRecord) as refused:
        events.check_first(events.decode(value), key, value, NOW_MS)
    assert refused.value.code == "wrong_key"


def test_the_first_event_of_a_campaign_under_its_key_is_taken() -> None:
    value = event(zone="Asia/Kolkata", currency="INR")
    decoded = events.decode(value)
    events.check_first(decoded, KEY, value, NOW_MS)
    assert decoded.zone == "Asia/Kolkata"


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"zone": "Mars/Base"}, "zone"), ({"campaign_id": "7:7"}, "campaign_id"), ({"at": NOW_MS + 86_400_001}, "at")],
)
def test_the_first_event_of_a_campaign_is_checked_in_full(fields: dict[str, Any], field: str) -> None:
    value = event(**fields)
    decoded = events.decode(value)
    with pytest.raises(BadRecord) as refused:
        events.check_first(decoded, events.key_of(decoded), value, NOW_MS)
    assert refused.value.field == field


@pytest.mark.parametrize("fields", [{"ad_id": "a b"}, {"currency": "usd"}])
def test_every_event_is_checked_for_its_ad_and_currency(fields: dict[str, Any]) -> None:
    with pytest.raises(BadRecord):
        events.decode(event(**fields))


def test_the_fast_reading_knows_the_platforms_types_and_fields_of_the_contract() -> None:
    for platform in PLATFORMS:
        assert events.decode(event(platform=platform)).platform == platform
    for kind in get_args(EventType):
        assert len(events.measures_of(events.decode(event(type=kind)))) == len(MEASURES)
    assert set(events.EventIn.__struct_fields__) == set(Event.model_fields)
