"""Every way a Google Ads record is read or refused, as data: row -> fact, or code and JSON path."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from pipeline.normalize.google_ads import normalize
from schemas.facts import Snapshot
from schemas.measures import MEASURES

HERE = Path(__file__).parent
FETCHED_AT_MS = 1_795_169_000_000  # 2026-11-20 10:03 UTC


def cases(name: str) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in json.loads((HERE / name).read_text(encoding="utf-8"))]


def envelope(report: str, row: dict[str, Any], kind: str = "row") -> dict[str, Any]:
    return {
        "v": 1,
        "source": "google_ads",
        "kind": kind,
        "report": report,
        "api_version": "v26",
        "account_id": "1234567890",
        "fetched_at_ms": FETCHED_AT_MS,
        "run_id": "r1",
        "row": row,
    }


@pytest.mark.parametrize("case", cases("accepted.json"))
def test_a_row_is_the_fact_it_says(case: dict[str, Any]) -> None:
    value = json.dumps(envelope(case["report"], case["row"], case.get("kind", "row"))).encode()
    fact = normalize(value)
    assert isinstance(fact, Snapshot)
    found = {**asdict(fact), **dict(zip(MEASURES, fact.measures, strict=True))}
    assert {name: found[name] for name in case["fact"]} == case["fact"]
    assert found["fetched_at_ms"] == FETCHED_AT_MS


def damaged(case: dict[str, Any]) -> bytes:
    """The first accepted row, with one thing changed: `set` by path, `drop` a path, or another `value` altogether."""
    if "value" in case:
        return str(case["value"]).encode()
    first = json.loads((HERE / "accepted.json").read_text(encoding="utf-8"))[0]
    record = envelope(first["report"], first["row"])
    for path, content in case.get("set", {}).items():
        inside, name = _inside(record, path)
        inside[name] = content
    if "drop" in case:
        inside, name = _inside(record, case["drop"])
        del inside[name]
    return json.dumps(record).replace('"<NaN>"', "NaN").replace('"<Infinity>"', "Infinity").encode()


def _inside(record: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    *outer, name = path.split(".")
    for part in outer:
        record = record[part]
    return record, name


@pytest.mark.parametrize("case", cases("refused.json"))
def test_a_bad_record_is_refused_with_its_code_and_path(case: dict[str, Any]) -> None:
    with pytest.raises(BadRecord) as refused:
        normalize(damaged(case))
    assert (refused.value.code, refused.value.field) == (case["code"], case["field"])
    assert refused.value.reason


def test_the_cases_name_every_code_a_row_can_be_refused_with() -> None:
    named = {case["code"] for case in json.loads((HERE / "refused.json").read_text(encoding="utf-8"))}
    elsewhere = {
        BadRecordCode.OVERSIZED,  # a megabyte is no case to read
        BadRecordCode.WRONG_KEY,  # a matter of the record
        BadRecordCode.BEYOND_HORIZON,  # of the state
    }
    assert named == set(BadRecordCode) - elsewhere


def test_a_record_of_a_megabyte_is_refused_by_its_size() -> None:
    with pytest.raises(BadRecord) as refused:
        normalize(b" " * ((1 << 20) + 1))
    assert refused.value.code == BadRecordCode.OVERSIZED
