"""Every way an event is refused, with its code and field, and every way it counts, as data."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import events
from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from schemas.measures import MEASURES

RECEIVED_MS = 1_763_713_254_000  # 2025-11-21T08:20:54Z
HERE = Path(__file__).parent


def cases(name: str) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in json.loads((HERE / name).read_text(encoding="utf-8"))]


@pytest.mark.parametrize("case", cases("refused.json"))
def test_a_bad_event_is_refused_with_its_code_and_field(case: dict[str, Any]) -> None:
    with pytest.raises(BadRecord) as refused:
        events.read(case["value"].encode(), RECEIVED_MS)
    assert (refused.value.code, refused.value.field) == (case["code"], case["field"])
    assert refused.value.reason


@pytest.mark.parametrize("case", cases("accepted.json"))
def test_a_good_event_counts_what_it_says(case: dict[str, Any]) -> None:
    event = events.read(case["value"].encode(), RECEIVED_MS)
    counted = {name: amount for name, amount in zip(MEASURES, events.measures_of(event), strict=True) if amount}
    assert (events.at_ms(event), counted) == (case["at_ms"], case["measures"])


def test_the_cases_name_every_code_an_event_can_be_refused_with() -> None:
    named = {case["code"] for case in json.loads((HERE / "refused.json").read_text(encoding="utf-8"))}
    elsewhere = {
        BadRecordCode.OVERSIZED,  # a file of a megabyte is no case to read
        BadRecordCode.WRONG_KEY,  # a matter of the record
        BadRecordCode.UNKNOWN_KIND,  # of reports
        BadRecordCode.BEYOND_HORIZON,  # of the state
    }
    assert named == set(BadRecordCode) - elsewhere
