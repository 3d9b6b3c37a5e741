"""What rows of the API mean, and every way a record is refused, with its code and JSON path, as data."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from pipeline.normalize.google_ads import normalize
from schemas.facts import Snapshot
from schemas.measures import MEASURES

HERE = Path(__file__).parent


def cases(name: str) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in json.loads((HERE / name).read_text(encoding="utf-8"))]


def instant(at_ms: int | None) -> str | None:
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@pytest.mark.parametrize("case", cases("accepted.json"))
def test_a_good_record_says_what_the_case_says(case: dict[str, Any]) -> None:
    fact = normalize(case["value"].encode())
    said: dict[str, Any] = asdict(fact) | {"type": type(fact).__name__}
    if isinstance(fact, Snapshot):
        said["measures"] = {name: n for name, n in zip(MEASURES, fact.measures, strict=True) if n}
    for name in ("start", "end"):
        if f"{name}_ms" in said:
            said[name] = instant(said[f"{name}_ms"])
    if "dates" in said:
        said["dates"] = list(said["dates"])
    assert {name: said[name] for name in case["fact"]} == case["fact"]


@pytest.mark.parametrize("case", cases("refused.json"))
def test_a_bad_record_is_refused_with_its_code_and_path(case: dict[str, Any]) -> None:
    with pytest.raises(BadRecord) as refused:
        normalize(case["value"].encode())
    assert (refused.value.code, refused.value.field) == (case["code"], case["field"])
    assert refused.value.reason


def test_the_cases_name_every_code_a_row_can_be_refused_with() -> None:
    named = {case["code"] for case in json.loads((HERE / "refused.json").read_text(encoding="utf-8"))}
    elsewhere = {
        BadRecordCode.OVERSIZED,  # a file of a megabyte is no case to read: see the unit tests
        BadRecordCode.WRONG_KEY,  # a matter of the record
        BadRecordCode.BEYOND_HORIZON,  # of the state
    }
    assert named == set(BadRecordCode) - elsewhere
