"""Rows noted in C are those noted in Python, in the same order, whatever was forgotten in between."""

from contextlib import nullcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.counted_rows import Row
from pipeline.counted_slots import Slot, Target
from pipeline.noted_rows import NotedRows, noted_rows
from pipeline.per_record import BUILT

SLOT = Slot("1h", 0, 3_600_000)
# Which row, and whether it is noted or forgotten; so many of them that tables grow.
STEPS = st.lists(st.tuples(st.integers(0, 60), st.sampled_from([True, True, False])), max_size=300)


@given(STEPS)
@settings(deadline=None)
def test_both_hold_the_same_rows_in_the_same_order(steps: list[tuple[int, bool]]) -> None:
    targets: list[Target] = [(SLOT, f"meta:a:c{number}", [number, 0, 0, 0]) for number in range(61)]
    in_c, in_python = noted_rows(in_c=BUILT), NotedRows()
    for number, is_noted in steps:
        for noted in (in_c, in_python):
            if is_noted:
                noted.note(targets[number])
            else:
                noted.forget(targets[number][2])
        assert len(in_c) == len(in_python)
    assert list(in_c) == list(in_python)
    assert [id(row) for _, _, row in in_c] == [id(row) for _, _, row in in_python]


def test_a_row_is_kept_alive_and_never_taken_for_one_that_came_in_its_place() -> None:
    noted = noted_rows(in_c=BUILT)
    for number in range(1_000):
        row: Row = [number, 0, 0, 0]
        noted.note((SLOT, "meta:a:c", row))
        if number % 2:
            noted.forget(row)
    assert [row[0] for _, _, row in noted] == list(range(0, 1_000, 2))


@pytest.mark.parametrize("target", [(SLOT, b"name", [0, 0, 0, 0]), (SLOT, "name", [0]), (SLOT, "name", (0, 0, 0, 0))])
def test_what_is_no_target_is_refused(target: object) -> None:
    with pytest.raises(TypeError) if BUILT else nullcontext():
        noted_rows(in_c=BUILT).note(target)  # type: ignore[arg-type]
