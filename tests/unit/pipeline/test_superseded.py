"""Which totals of a block go because a higher version stands in for them."""

from dataclasses import dataclass
from random import Random

import pytest

from pipeline.superseded import MINUTE_MS, unsuperseded


@dataclass(slots=True)
class Total:
    total_id: str
    as_of_ms: int
    version: int


def kept(*totals: tuple[str, int, int]) -> list[int]:
    return list(unsuperseded([Total(*total) for total in totals]))


def test_the_highest_version_stays_whatever_the_order() -> None:
    assert kept(("a", 0, 4), ("b", 0, 4), ("a", 0, 12), ("a", 0, 8)) == [1, 2]


def test_of_equal_versions_the_last_stays() -> None:
    assert kept(("a", 0, 4), ("a", 0, 4)) == [1]


def test_another_minute_is_another_statement() -> None:
    assert kept(("a", MINUTE_MS - 1, 4), ("a", MINUTE_MS, 8), ("a", 2 * MINUTE_MS - 1, 12)) == [0, 2]


def test_nothing_goes_where_every_total_is_another() -> None:
    assert kept(("a", 0, 4), ("b", 0, 4), ("c", 0, 4)) == [0, 1, 2]
    assert kept() == []


@pytest.mark.parametrize("seed", range(20))
def test_every_id_and_minute_keeps_its_highest_version(seed: int) -> None:
    dice = Random(seed)
    totals = [(dice.choice("abc"), dice.randrange(3 * MINUTE_MS), 4 * dice.randrange(1, 50)) for _ in range(60)]
    wanted: dict[tuple[str, int], int] = {}
    for total_id, as_of_ms, version in totals:
        place = (total_id, as_of_ms // MINUTE_MS)
        wanted[place] = max(version, wanted.get(place, 0))
    stay = [totals[index] for index in kept(*totals)]
    assert {(total_id, as_of_ms // MINUTE_MS): version for total_id, as_of_ms, version in stay} == wanted
    assert len(stay) == len(wanted)
