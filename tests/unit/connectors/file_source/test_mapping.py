"""Rows to events as a mapping says, and mappings that say too little."""

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.file_source.mapping import RowMapping, load_mapping
from connectors.file_source.rows import RowFile
from pipeline import events
from pipeline.errors import BadRecord, Misconfigured

ROOT = Path(__file__).parents[4]
FIELDS: dict[str, Any] = {
    "event_id": "{file}-{row}",
    "platform": "meta",
    "account_id": "act_1",
    "campaign_id": {"column": "campaign"},
    "at": {"column": "time", "as": "unix_s"},
    "type": {"column": "kind", "values": {"v": "impression", "c": "click"}},
    "spend_micros": {"column": "cost", "as": "decimal_micros"},
}
ROW = {"campaign": "77", "time": "1574553793", "kind": "c", "cost": "0.25"}


def mapping(*, when: Any = None, **fields: Any) -> RowMapping:
    return RowMapping.model_validate({"event": [{"when": when, "fields": FIELDS | fields}]})


def read(rules: RowMapping, row: dict[str, Any] | None = None, number: int = 3) -> list[dict[str, Any]]:
    return [json.loads(value) for value in rules.events_of(row or ROW, number, "orders")]


def test_every_field_comes_from_its_constant_template_or_column() -> None:
    assert read(mapping()) == [
        {
            "event_id": "orders-3",
            "platform": "meta",
            "account_id": "act_1",
            "campaign_id": "77",
            "at": 1_574_553_793_000,
            "type": "click",
            "spend_micros": 250_000,
        }
    ]


def test_an_empty_cell_leaves_an_optional_field_out() -> None:
    assert "spend_micros" not in read(mapping(), ROW | {"cost": ""})[0]


def test_an_empty_cell_of_a_required_field_makes_a_bad_event() -> None:
    (value,) = mapping().events_of(ROW | {"campaign": ""}, 0, "orders")
    with pytest.raises(BadRecord) as refused:
        events.read(value, 1_763_713_254_000)
    assert (refused.value.code, refused.value.field) == ("missing_field", "campaign_id")


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"kind": "x"}, "bad_value", "type"),
        ({"cost": "0.0000001"}, "bad_type", "spend_micros"),
        ({"time": "soon"}, "bad_time", "at"),
        ({"campaign": "\udcff"}, "malformed", ""),
    ],
)
def test_a_cell_that_cannot_be_read_is_refused_with_the_field(change: dict[str, str], code: str, field: str) -> None:
    with pytest.raises(BadRecord) as refused:
        mapping().events_of(ROW | change, 0, "orders")
    assert (refused.value.code, refused.value.field) == (code, field)


def test_an_id_out_of_columns_is_the_same_for_the_same_row_and_no_other() -> None:
    rules = mapping(event_id={"hash": ["campaign", "time"]})
    first = read(rules)[0]["event_id"]
    assert first == read(rules)[0]["event_id"]
    assert len({first, read(rules, number=4)[0]["event_id"], read(rules, ROW | {"time": "1"})[0]["event_id"]}) == 3


def test_one_row_yields_the_events_whose_condition_holds() -> None:
    two = RowMapping.model_validate(
        {
            "event": [
                {"fields": FIELDS | {"type": "impression", "event_id": {"hash": ["time"]}}},
                {"when": {"column": "kind", "equals": "c"}, "fields": FIELDS | {"event_id": {"hash": ["time"]}}},
                {"when": {"column": "kind", "differs": "c"}, "fields": FIELDS | {"type": "sent"}},
            ]
        }
    )
    found = read(two)
    assert [one["type"] for one in found] == ["impression", "click"]
    assert found[0]["event_id"] != found[1]["event_id"]
    assert [one["type"] for one in read(two, ROW | {"kind": "v"})] == ["impression", "sent"]


def test_a_column_of_json_rows_may_lie_inside_an_object() -> None:
    rules = mapping(campaign_id={"column": "utm.campaign"})
    assert read(rules, ROW | {"utm": {"campaign": 12}})[0]["campaign_id"] == "12"


def test_a_constant_takes_the_place_of_a_field_in_every_event_and_is_another_source() -> None:
    fixed = mapping().with_constants({"campaign_id": "spring", "count": "3"})
    assert {name: read(fixed)[0][name] for name in ("campaign_id", "count")} == {"campaign_id": "spring", "count": 3}
    assert fixed.digest() != mapping().digest()
    with pytest.raises(Misconfigured):
        mapping().with_constants({"campain_id": "spring"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("event = 1", "event"),
        ("[[event]]\n[event.fields]\nplatform = 'meta'", "needs event_id"),
        ("[[event]]\n[event.fields]\nspend = 1", "no field spend"),
        ("columns = 1", "event"),
        ("[[event", "TOML"),
    ],
)
def test_a_mapping_that_is_wrong_is_refused_with_the_place(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(Misconfigured) as refused:
        load_mapping(path)
    assert words in refused.value.detail
    assert "wrong.toml" in refused.value.detail


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as refused:
        mapping(ad_id="{creative}").check_columns(ROW, tmp_path / "orders.csv")
    assert "creative" in refused.value.detail
    assert "campaign, time, kind, cost" in refused.value.detail


def test_a_mapping_may_be_json(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"event": [{"fields": FIELDS}]}))
    assert load_mapping(path) == mapping()


@pytest.mark.parametrize("name", ["random_men", "random_women"])
def test_the_recorded_impressions_are_good_events_with_ids_of_their_own(name: str) -> None:
    rules = load_mapping(ROOT / "infra" / "mappings" / "obd.toml")
    file = RowFile(ROOT / "tests" / "data" / "obd" / f"{name}.csv.gz")
    values = [value for row in file.rows() for value in rules.events_of(row.columns or {}, row.number, file.name)]
    found = [events.read(value, 1_763_713_254_000) for value in values]
    assert len({event.event_id for event in found}) == len(found) == 10_046
    assert sum(event.type == "click" for event in found) == 46
    assert {events.key_of(event) for event in found} == {f"meta:zozo:{name}".encode()}
