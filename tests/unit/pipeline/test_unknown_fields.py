"""A field nobody knows is noticed once by its name, whatever it holds and however often it comes."""

import json

import pytest

from pipeline.unknown_fields import MOST_NAMES, NAME_CHARS, UnknownFields


def noticed(*objects: object) -> list[list[str]]:
    fields = UnknownFields(("event_id", "at"))
    return [fields.new_in(json.dumps(one).encode()) for one in objects]


def test_known_fields_are_no_news() -> None:
    assert noticed({"event_id": "e"}, {"at": 1, "event_id": None}, {}) == [[], [], []]


def test_an_unknown_one_is_noticed_once() -> None:
    assert noticed({"at": 1, "spend": 5}, {"spend": {"deep": [1]}}, {"colour": "", "spend": 1}) == [
        ["spend"],
        [],
        ["colour"],
    ]


@pytest.mark.parametrize("name", ["", "f0", "with `backticks`", 'quote " and \\', "ünï", "self", "line\nbreak"])
def test_any_text_may_be_a_name(name: str) -> None:
    assert noticed({name: 1}, {name: 2, "at": 3}) == [[name], []]


@pytest.mark.parametrize("value", [b"", b"{", b"[1]", b"5", b"\xff", b'{"a":' * 2000])
def test_what_is_no_object_has_none(value: bytes) -> None:
    assert UnknownFields(("at",)).new_in(value) == []


def test_made_up_names_do_not_fill_the_memory() -> None:
    fields = UnknownFields(("at",))
    first = fields.new_in(json.dumps({f"n{number}": 1 for number in range(MOST_NAMES + 50)}).encode())
    assert len(first) == MOST_NAMES
    assert fields.new_in(b'{"another": 1}') == []


def test_a_long_name_is_cut() -> None:
    assert noticed({"n" * 1000: 1}) == [["n" * NAME_CHARS]]
