"""The newest copies and their holders, in Python and in C: what may be asked when, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.copies import SEPARATOR, Copies, CopyStore
from pipeline.per_record import native
from tests.partition import Rec

Make = Callable[[Callable[[bytes, bytes], bool]], CopyStore]
KINDS: list[Make] = [Copies] if native is None else [Copies, native.Copies]
each_store = pytest.mark.parametrize("make", KINDS, ids=["python", "c"][: len(KINDS)])


def is_newer(value: bytes, known: bytes) -> bool:
    return value >= known


def log() -> list[Rec]:
    copies = [(b"k", b"a"), (b"l", b"a"), (b"k", b"b"), (b"m", b"b")]
    return [Rec(0, 0, key + SEPARATOR + name, b"value of " + name) for key, name in copies]


@each_store
def test_each_row_is_taken_out_once_in_the_order_in_which_keys_came(make: Make) -> None:
    copies = make(is_newer)
    copies.read(log())
    assert copies.pick(b"l") == b"value of a"
    assert copies.pick(b"l") is None
    assert copies.pick(b"none") is None
    assert list(copies.drain()) == [(b"k", b"value of b"), (b"m", b"value of b")]
    assert list(copies.drain()) == []


@each_store
@pytest.mark.parametrize("forgotten", [0, 1, 2])
def test_holders_are_told_once_with_their_keys_or_without(make: Make, forgotten: int) -> None:
    copies = make(is_newer)
    copies.read(log())
    for _ in range(forgotten):
        copies.forget_keys()
    assert copies.keys() == ([] if forgotten else [b"k", b"l", b"m"])
    assert len(copies) == 3
    assert [copies.take(key) for key in (b"m", b"none", b"k", b"k")] == [(b"b",), (), (b"a", b"b"), ()]
    assert len(copies) == 1
    assert copies.take(b"l") == (b"a",)
    assert not copies


@each_store
def test_where_orders_are_odd_the_caller_is_asked_and_may_fail(make: Make) -> None:
    def fails(value: bytes, known: bytes) -> bool:
        raise LookupError(value, known)

    copies = make(fails)
    with pytest.raises(LookupError, match=r"value of b.*value of a"):
        copies.read(log())


@each_store
def test_a_record_that_is_none_is_refused(make: Make) -> None:
    with pytest.raises(AttributeError):
        make(is_newer).read([object()])  # type: ignore[list-item]


def test_only_c_reads_batches_and_only_whole_ones() -> None:
    copies: Any = KINDS[-1](is_newer)
    for batch in [(b"xx", 0, 2, 0, 0, 1), (b"", 0, 1, 0, 0, 1), (b"xx", 2, 1, 0, 0, 0), (b"x", 0, 1, 0, 0, -1)]:
        with pytest.raises(AttributeError if native is None else ValueError):
            copies.read_batch(batch)
    assert not copies
