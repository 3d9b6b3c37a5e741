"""What of fetched records is new."""

import pytest

from pipeline.state import records_from
from tests.partition import Rec

RECORDS = [Rec(offset, 1, None, b"") for offset in (3, 4, 7)]


@pytest.mark.parametrize(("offset", "places"), [(-1, 3), (3, 3), (4, 2), (5, 1), (7, 1), (8, 0)])
def test_records_at_an_offset_and_behind_it_are_left(offset: int, places: int) -> None:
    assert records_from(RECORDS, offset) == RECORDS[len(RECORDS) - places :]


def test_where_all_are_new_nothing_is_copied() -> None:
    assert records_from(RECORDS, 3) is RECORDS


def test_nothing_stays_nothing() -> None:
    assert records_from([], 5) == []
