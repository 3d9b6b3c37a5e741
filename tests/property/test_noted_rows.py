"""Rows noted in C are those noted in Python, in the same order, whatever was forgotten in between."""

from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.counted_rows import Row
from pipeline.counted_slots import Slot, Target
from pipeline.noted_rows import noted_rows
from pipeline.per_record import BUILT

SLOT = Slot("1h", 0, 3_600_000)
# Which row, and whether it is noted or forgotten; so many of them that tables grow.
STEPS = st.lists(st.tuples(st.integers(0, 60), st.sampled_from([True, True, False])), max_size=300)


@given(STEPS)
@settings(deadline=None)
def test_both_hold_the_same_rows_in_the_same_order(steps: list[tuple[int, bool]]) -> None:
    targets: list[Target] = [(SLOT, f"meta:a:c{number}", [number, 0, 0, 0]) for number in range(61)]
    in_c, in_python = noted_rows(in_c=BUILT), dict[int, Target]()
    for number, is_noted in steps:
        target, row_id = targets[number], id(targets[number][2])
        if is_noted:
            in_c[row_id] = in_python[row_id] = target
        else:
            assert in_c.pop(row_id, None) == in_python.pop(row_id, None)
        assert len(in_c) == len(in_python)
    assert list(in_c.values()) == list(in_python.values())
    assert [id(row) for _, _, row in in_c.values()] == list(in_python)


def test_a_row_is_kept_alive_and_never_taken_for_one_that_came_in_its_place() -> None:
    noted = noted_rows(in_c=BUILT)
    for number in range(1_000):
        row: Row = [number, 0, 0, 0]
        noted[id(row)] = SLOT, "meta:a:c", row
        if number % 2:
            noted.pop(id(row), None)
    assert [row[0] for _, _, row in noted.values()] == list(range(0, 1_000, 2))


@pytest.mark.parametrize("target", [(SLOT, b"name", [0, 0, 0, 0]), (SLOT, "name", [0]), (SLOT, "name", (0, 0, 0, 0))])
def test_what_is_no_target_is_refused(target: Any) -> None:
    with pytest.raises(TypeError) if BUILT else nullcontext():
        noted_rows(in_c=BUILT)[id(target[2])] = target


def test_a_row_under_the_number_of_another_is_refused() -> None:
    with pytest.raises(ValueError, match="another row") if BUILT else nullcontext():
        noted_rows(in_c=BUILT)[5] = SLOT, "meta:a:c", [0, 0, 0, 0]
