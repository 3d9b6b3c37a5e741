"""Which totals of a block go because a higher version stands in for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import msgspec
import orjson
import pytest

from pipeline.superseded import MINUTE_MS, unsuperseded

Total = tuple[str, int, int]  # id, as_of_ms, version


@dataclass(frozen=True, slots=True)
class Rec:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def recs(totals: Sequence[Total], *, key: bytes | None = None) -> list[Rec]:
    return [
        Rec(
            offset,
            0,
            total_id.encode() if key is None else key,
            orjson.dumps({"total_id": total_id, "as_of_ms": as_of_ms, "version": version}),
        )
        for offset, (total_id, as_of_ms, version) in enumerate(totals)
    ]


def offsets(totals: Sequence[Total], *, key: bytes | None = None) -> list[int]:
    return [record.offset for record in unsuperseded(recs(totals, key=key))]


def test_the_highest_version_stays_whatever_the_order() -> None:
    assert offsets([("a", 0, 4), ("b", 0, 4), ("a", 0, 12), ("a", 0, 8)]) == [1, 2]


def test_of_equal_versions_the_last_stays() -> None:
    assert offsets([("a", 0, 4), ("a", 0, 4)]) == [1]


def test_another_minute_is_another_statement() -> None:
    assert offsets([("a", MINUTE_MS - 1, 4), ("a", MINUTE_MS, 8), ("a", 2 * MINUTE_MS - 1, 12)]) == [0, 2]


def test_the_id_in_the_total_counts_and_not_the_key_of_the_record() -> None:
    assert offsets([("a", 0, 4), ("b", 0, 4), ("a", 0, 8)], key=b"one") == [1, 2]


def test_what_comes_once_is_not_even_read() -> None:
    lone = Rec(0, 0, b"c", b"{")
    assert unsuperseded([lone, *recs([("a", 0, 4), ("a", 0, 8)])[1:]]) != []
    assert lone in unsuperseded([lone, *recs([("a", 0, 4), ("a", 0, 8)])])


def test_what_comes_twice_and_is_no_total_is_told() -> None:
    with pytest.raises(msgspec.MsgspecError):
        unsuperseded([Rec(0, 0, b"c", b"{"), Rec(1, 0, b"c", None)])


@pytest.mark.parametrize("seed", range(20))
def test_every_id_and_minute_keeps_its_highest_version(seed: int) -> None:
    dice = Random(seed)
    totals = [(dice.choice("abc"), dice.randrange(3 * MINUTE_MS), 4 * dice.randrange(1, 50)) for _ in range(60)]
    wanted: dict[tuple[str, int], int] = {}
    for total_id, as_of_ms, version in totals:
        place = (total_id, as_of_ms // MINUTE_MS)
        wanted[place] = max(version, wanted.get(place, 0))
    kept = [totals[offset] for offset in offsets(totals)]
    assert {(total_id, as_of_ms // MINUTE_MS): version for total_id, as_of_ms, version in kept} == wanted
    assert len(kept) == len(wanted)
