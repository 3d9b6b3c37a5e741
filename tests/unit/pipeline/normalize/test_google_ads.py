"""What no case in a file shows: sizes, measures in their order, identities."""

import json
from typing import Any

import pytest

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from pipeline.normalize.google_ads import normalize
from pipeline.normalize.google_ads_row import MAX_RECORD_BYTES
from schemas.facts import Snapshot
from schemas.measures import MEASURES
from schemas.window import Level, Window

ROW: dict[str, Any] = {
    "customer": {"id": "1", "timeZone": "Asia/Kolkata", "currencyCode": "INR"},
    "campaign": {"id": "7", "name": "Lamps"},
    "segments": {"date": "2026-11-18"},
    "metrics": {
        "impressions": "1",
        "clicks": "2",
        "costMicros": "3",
        "conversions": 0.000004,
        "conversionsValue": 0.000005,
        "videoTrueviewViews": "6",
    },
}


def record(**fields: Any) -> bytes:
    whole = {"v": 1, "kind": "row", "report": "campaign_day", "account_id": "1", "fetched_at_ms": 1_795_244_400_000}
    return json.dumps(whole | {"row": ROW} | fields).encode()


def test_every_measure_stands_in_its_place() -> None:
    fact = normalize(record())
    assert isinstance(fact, Snapshot)
    names = ("impressions", "clicks", "spend_micros", "conversions_micros", "revenue_micros", "video_views")
    places = dict(zip(MEASURES, fact.measures, strict=True))
    assert [places.pop(name) for name in names] == [1, 2, 3, 4, 5, 6]
    assert set(places.values()) == {0}  # link clicks, which the platform does not tell apart, and those of channels


def test_levels_and_windows_are_those_of_the_schemas() -> None:
    fact = normalize(record())
    assert isinstance(fact, Snapshot)
    assert (fact.level, fact.window) == (Level.CAMPAIGN, Window.DAY)


def test_the_largest_record_is_read_and_a_larger_one_refused() -> None:
    room = MAX_RECORD_BYTES - len(record(pad=""))
    assert isinstance(normalize(record(pad="x" * room)), Snapshot)
    with pytest.raises(BadRecord) as refused:
        normalize(record(pad="x" * (room + 1)))
    assert refused.value.code == BadRecordCode.OVERSIZED


def test_the_same_bytes_are_the_same_fact() -> None:
    assert normalize(record()) == normalize(record())


@pytest.mark.parametrize("nesting", [b"[" * 100_000, b'{"row":' * 100_000])
def test_a_record_nested_without_end_is_refused(nesting: bytes) -> None:
    with pytest.raises(BadRecord) as refused:
        normalize(nesting)
    assert refused.value.code == BadRecordCode.MALFORMED
