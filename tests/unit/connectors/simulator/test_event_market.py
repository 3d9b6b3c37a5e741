"""Own-tag events: the same for the same number, valid, and of every kind."""

from collections import Counter
from datetime import datetime

from connectors.simulator.event_market import EVENT_CAMPAIGNS, event
from schemas.event import Event

NOW_MS = 1_795_244_400_000
EVENTS = [event(1, "run", number, NOW_MS) for number in range(5_000)]


def test_an_event_is_the_same_whenever_it_is_made_and_ids_never_repeat() -> None:
    assert [event(1, "run", number, NOW_MS) for number in range(100)] == EVENTS[:100]
    assert len({one.body["event_id"] for one in EVENTS}) == len(EVENTS)
    assert event(1, "other", 0, NOW_MS).body["event_id"] != EVENTS[0].body["event_id"]


def test_every_event_is_one_the_intake_accepts_with_the_instant_it_was_made_for() -> None:
    for one in EVENTS:
        read = Event.model_validate(one.body)
        at_ms = read.at if isinstance(read.at, int) else round(read.at.timestamp() * 1000)
        assert at_ms == one.at_ms <= NOW_MS
    assert isinstance(Event.model_validate(EVENTS[0].body).at, datetime)


def test_all_campaigns_and_their_types_occur() -> None:
    seen = Counter((one.key, one.body["type"]) for one in EVENTS)
    wanted = {(c.key, kind) for c in EVENT_CAMPAIGNS for kind, weight in c.types if weight > 20}
    assert wanted <= set(seen)
    assert {c.platform for c in EVENT_CAMPAIGNS} == {"meta", "email", "sms", "push"}


def test_some_events_are_late_some_come_twice_and_some_count_for_several() -> None:
    late = [one for one in EVENTS if one.late]
    assert 20 < len(late) < 100
    assert min(NOW_MS - one.at_ms for one in late) >= 5 * 60_000
    assert 50 < sum(one.twice for one in EVENTS) < 160
    assert any(one.body.get("count", 1) > 1 for one in EVENTS)


def test_the_web_campaigns_spend_and_earn_with_a_roas_above_the_default_limit() -> None:
    web = [one.body for one in EVENTS if one.body["platform"] == "meta"]
    spend = sum(body.get("spend_micros", 0) for body in web)
    revenue = sum(body.get("revenue_micros", 0) for body in web)
    assert spend > 0
    assert revenue > 2 * spend
