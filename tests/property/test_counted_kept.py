"""Rows of the changelog made in C are, byte for byte, those that Python makes, whatever the numbers in them."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.changelog import encoded
from pipeline.counted_kept import kept_rows
from pipeline.counted_rows import GAINED_AT, name_of
from pipeline.counted_slots import Slot
from pipeline.per_record import BUILT
from schemas.measures import MEASURES
from schemas.window import Window

EDGES = [2**bits + more for bits in (0, 5, 7, 8, 15, 16, 31, 32, 62) for more in (-1, 0, 1)]
NUMBERS = st.one_of(
    st.sampled_from([*EDGES, *(-edge for edge in EDGES), 2**63 - 1, -(2**63)]), st.integers(-(2**63), 2**64 - 1)
)
ROWS = st.lists(NUMBERS, min_size=GAINED_AT, max_size=GAINED_AT + len(MEASURES))
NAMES = st.builds(name_of, st.text("abcä:._-", min_size=1), st.one_of(st.just(""), st.text("adö0", min_size=1)))


@given(st.lists(st.tuples(NAMES, ROWS), max_size=4), st.sampled_from(sorted(map(str, Window))), st.integers(0, 2**42))
def test_the_bytes_are_those_of_python(rows: list[tuple[str, list[int]]], window: str, start_ms: int) -> None:
    slot = Slot(window, start_ms, start_ms + 60_000)
    targets = [(slot, name, row) for name, row in rows]
    expected = [(slot.kept_key(name), encoded(slot.kept_row(row))) for name, row in rows]
    found = kept_rows(targets, in_c=BUILT)
    assert [(key, encoded(row) if isinstance(row, list) else row) for key, row in found] == expected
