"""The first event of a campaign: what it makes known, and what of it C leaves to Python."""

import json
from typing import Any

import pytest

from pipeline import per_record
from pipeline.counted import CountedState
from pipeline.counted_rows import Campaign
from pipeline.event_refusal import MIN_AT_MS, zone_reason
from pipeline.per_record import BUILT, counters
from tests.counted_states import each_kind
from tests.partition import Rec

T0 = 1_790_000_000_000
GOOD = {"event_id": "e", "platform": "meta", "account_id": "a1", "campaign_id": "c1", "at": T0, "type": "click"}
KEY = b"meta:a1:c1"


def records(*bodies: dict[str, Any], key: bytes | None = None) -> list[Rec]:
    keys = [key or f"{body['platform']}:{body['account_id']}:{body['campaign_id']}".encode() for body in bodies]
    return [Rec(n, T0, keys[n], json.dumps(body).encode()) for n, body in enumerate(bodies)]


def known_after(in_c: bool, *bodies: dict[str, Any]) -> dict[bytes | None, Campaign]:
    state = CountedState("t", 0, in_c=in_c)
    state.count([Rec(-1, T0, None, None), *records(*bodies)])
    assert state.tallies()["emitted", ""] == len(bodies)
    return state.campaigns


def parts(campaign: Campaign) -> dict[str, object]:
    return {slot: getattr(campaign, slot) for slot in Campaign.__slots__}


@each_kind
@pytest.mark.parametrize(
    ("more", "zone", "currency"),
    [
        ({}, "UTC", ""),
        ({"zone": "Europe/Berlin", "currency": "EUR"}, "Europe/Berlin", "EUR"),
        ({"ad_id": "x"}, "UTC", ""),
    ],
)
def test_it_makes_the_campaign_known_with_all_there_is_of_one(
    in_c: bool, more: dict[str, str], zone: str, currency: str
) -> None:
    found = known_after(in_c, {**GOOD, **more})
    assert parts(found[KEY]) == parts(Campaign(KEY.decode(), zone=zone, currency=currency))


@each_kind
def test_what_campaigns_have_in_common_is_there_once(in_c: bool) -> None:
    body = {**GOOD, "zone": "Asia/Kolkata", "currency": "INR"}
    found = known_after(in_c, body, {**body, "campaign_id": "c2"}, {**GOOD, "account_id": "a2"})
    first, second, other = (found[key] for key in (KEY, b"meta:a1:c2", b"meta:a2:c1"))
    for slot in ("platform", "account_id", "zone", "currency"):
        assert getattr(first, slot) is getattr(second, slot)
    assert (other.platform, other.account_id, other.zone) == ("meta", "a2", "UTC")
    again = Campaign("meta:a1:c3", zone="Asia/Kolkata", currency="INR")
    assert again.account_id is first.account_id
    assert again.zone is first.zone


@each_kind
def test_it_is_told_in_the_order_of_the_records(in_c: bool) -> None:
    bodies = [{**GOOD, "campaign_id": f"c{n}", "at": T0 if n % 3 else "2026-09-21T12:00:00Z"} for n in range(9)]
    state = CountedState("t", 0, in_c=in_c)
    state.count([Rec(-1, T0, None, None), *records(*bodies)])
    told = [key for key, _ in state.take().rows if key.startswith(b"\0campaign|")]
    assert told == [f"\0campaign|meta:a1:c{n}".encode() for n in range(9)]


@each_kind
@pytest.mark.parametrize(
    "bad",
    [
        {"platform": "metaverse"},
        {"account_id": "a 1"},
        {"account_id": "a" * 129},
        {"campaign_id": ""},
        {"campaign_id": "c:1"},
        {"currency": "eur"},
        {"currency": "EURO"},
        {"currency": "E1R"},
        {"zone": ""},
        {"zone": "Mars/Base"},
        {"zone": "posix/Europe/Berlin"},
        {"ad_id": "a|b"},
        {"at": MIN_AT_MS - 1},
        {"at": T0 + 86_400_001},
        {"at": "2026-09-21T12:00:00Z"},
    ],
)
def test_what_is_not_plainly_good_is_left_as_it_was(in_c: bool, bad: dict[str, Any]) -> None:
    ids, panes = counters(24, in_c=in_c)
    # Passed over when it would be refused of any campaign, else left to be looked at.
    assert panes.count(records({**GOOD, **bad}), 0, T0 + 1, MIN_AT_MS, -1, ids) == len(panes.refused)
    assert (panes.campaigns, panes.firsts, len(ids), panes.counted) == ({}, [], 0, 0)


@each_kind
@pytest.mark.parametrize(
    "key", [b"meta:a1:c2", b"meta:a1:c", b"meta:a1:c10", b"email:a1:c1", b"meta:a1", b"meta;a1:c1", b"meta:a1;c1"]
)
def test_a_key_of_another_campaign_is_left(in_c: bool, key: bytes) -> None:
    ids, panes = counters(24, in_c=in_c)
    assert panes.count(records(GOOD, key=key), 0, T0 + 1, MIN_AT_MS, -1, ids) == 0
    assert panes.campaigns == {}


def test_c_asks_once_about_a_zone_and_again_about_what_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def reason(name: str) -> object:
        asked.append(name)
        return zone_reason(name)

    monkeypatch.setattr(per_record, "zone_reason", reason)
    ids, panes = counters(24, in_c=BUILT)
    zones = ["Europe/Berlin", None, "Asia/Kolkata", "Europe/Berlin", "Asia/Kolkata", "Mars/Base"]
    batch = records(*({**GOOD, "campaign_id": f"c{n}", "zone": zone} for n, zone in enumerate(zones)))
    for _ in range(2):
        reached = panes.count(batch, len(panes.campaigns), T0 + 1, MIN_AT_MS, -1, ids)
        assert reached == (5 if BUILT else 0)
    assert asked == (["Europe/Berlin", "Asia/Kolkata", "Mars/Base", "Mars/Base"] if BUILT else [])
