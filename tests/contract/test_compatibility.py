"""The guard itself: it lets an optional field in and refuses every kind of breakage."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.compatibility import breakages

OLD: dict[str, Any] = {
    "type": "object",
    "title": "Thing",
    "properties": {
        "id": {"type": "string"},
        "kind": {"$ref": "#/$defs/Kind"},
        "amount": {"type": "integer", "minimum": 0},
        "limit": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
    },
    "required": ["id", "kind"],
    "$defs": {
        "Kind": {"type": "string", "enum": ["a", "b"]},
        "Part": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    },
}
Change = Callable[[dict[str, Any]], object]


def changed(change: Change) -> dict[str, Any]:
    new = copy.deepcopy(OLD)
    change(new)
    return new


ALLOWED: dict[str, Change] = {
    "an added optional field": lambda new: new["properties"].update(note={"type": "string", "default": ""}),
    "an added optional field of a part": lambda new: new["$defs"]["Part"]["properties"].update(m={"type": "integer"}),
    "another wording": lambda new: new.update(title="Matter", description="Said better."),
    "another order of the required fields": lambda new: new["required"].reverse(),
    "a definition that moved": lambda new: new["properties"].update(kind={"type": "string", "enum": ["a", "b"]}),
}
REFUSED: dict[str, tuple[Change, str]] = {
    "a removed field": (lambda new: new["properties"].pop("amount"), "$.amount: removed"),
    "a renamed field": (
        lambda new: new["properties"].update(sum=new["properties"].pop("amount")),
        "$.amount: removed",
    ),
    "a changed type": (lambda new: new["properties"]["id"].update(type="integer"), "$.id: type"),
    "a wider type": (lambda new: new["properties"]["amount"].update(type="number"), "$.amount: type"),
    "a field that may be null now": (
        lambda new: new["properties"].update(id={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        "$.id: anyOf had 0 shapes, has 2",
    ),
    "a field that may not be null any more": (
        lambda new: new["properties"]["limit"]["anyOf"].pop(),
        "$.limit: anyOf had 2 shapes, has 1",
    ),
    "a field newly required": (lambda new: new["required"].append("amount"), "$.amount: newly required"),
    "an added required field": (
        lambda new: (new["properties"].update(note={"type": "string"}), new["required"].append("note")),
        "$.note: newly required",
    ),
    "a field no longer promised": (lambda new: new["required"].remove("id"), "$.id: no longer promised"),
    "an added member of a closed set": (lambda new: new["$defs"]["Kind"]["enum"].append("c"), "$.kind: enum"),
    "a removed member of a closed set": (lambda new: new["$defs"]["Kind"]["enum"].pop(), "$.kind: enum"),
    "a tighter bound": (lambda new: new["properties"]["amount"].update(minimum=1), "$.amount: minimum"),
    "a lost bound": (lambda new: new["properties"]["amount"].pop("minimum"), "$.amount: minimum"),
    "a new pattern": (lambda new: new["properties"]["id"].update(pattern="^x"), "$.id: pattern"),
    "a changed default": (lambda new: new["properties"]["limit"].update(default=1), "$.limit: default"),
    "a changed part": (lambda new: new["$defs"]["Part"]["required"].clear(), "$.parts[].n: no longer promised"),
    "a list that is none any more": (
        lambda new: new["properties"].update(parts={"$ref": "#/$defs/Part"}),
        "$.parts: items",
    ),
    "a closed shape": (lambda new: new.update(additionalProperties=False), "$: additionalProperties"),
}


def test_the_same_schema_breaks_nobody() -> None:
    assert breakages(OLD, copy.deepcopy(OLD)) == []


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED.keys())
def test_a_shape_may_grow(change: Change) -> None:
    new = changed(change)
    assert new != OLD
    assert breakages(OLD, new) == []


@pytest.mark.parametrize(("change", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_breaks_a_user_is_refused_with_its_place(change: Change, sentence: str) -> None:
    found = breakages(OLD, changed(change))
    assert any(line.startswith(sentence) for line in found), found


def test_a_union_keeps_its_shapes() -> None:
    old = {"oneOf": [{"$ref": "#/$defs/Kind"}, {"$ref": "#/$defs/Part"}], "$defs": OLD["$defs"]}
    assert breakages(old, {**old, "oneOf": old["oneOf"][:1]}) == ["$: oneOf had 2 shapes, has 1"]
    assert breakages(old, {**old, "oneOf": [*old["oneOf"], {"type": "object"}]}) == ["$: oneOf had 2 shapes, has 3"]
