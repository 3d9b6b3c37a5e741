"""Which copies of rows are still to be deleted, without their keys."""

from pipeline.changelog import Changelog
from pipeline.copies import SEPARATOR
from pipeline.old_copies import LEAST_SLOTS, OldCopies
from tests.partition import Rec


def test_every_copy_is_told_once_and_of_no_other_row() -> None:
    copies: dict[bytes, bytes | tuple[bytes, ...]] = {b"row %d" % n: b"one" if n % 3 else b"two" for n in range(1_000)}
    copies[b"both"] = (b"one", b"two")
    old = OldCopies(copies)
    assert len(old) == 1_001
    assert [old.take(b"none %d" % n) for n in range(1_000)] == [()] * 1_000
    assert {key: old.take(key) for key in copies} == copies
    assert len(old) == 0
    assert [old.take(key) for key in copies] == [()] * 1_001


def test_a_table_without_copies_knows_none() -> None:
    assert not OldCopies({})
    assert OldCopies({}).take(b"k") == ()


def log() -> list[Rec]:
    return [Rec(0, 0, key + SEPARATOR + name, b"\x91\x01") for key, name in [(b"k", b"a"), (b"k", b"b"), (b"l", b"b")]]


def test_without_the_keys_the_same_copies_are_deleted() -> None:
    written = []
    for forget in (False, True):
        changelog = Changelog(b"c")
        changelog.read(log())
        changelog.rows()
        assert changelog.keys == {b"k", b"l"}
        if forget:
            changelog.forget_keys()
            assert changelog.keys == frozenset()
        written.append([changelog.write([(b"k", [1]), (b"new", [1])]), changelog.write([(b"k", [2]), (b"l", None)])])
    assert written[0] == written[1]
    assert [key for key, value in written[0][0] if value is None] == [b"k" + SEPARATOR + b"a", b"k" + SEPARATOR + b"b"]
    assert [key for key, value in written[0][1] if value is None][-1] == b"l" + SEPARATOR + b"b"


def test_a_key_that_counts_as_none_leaves_nothing_behind_for_the_next_in_its_place() -> None:
    """The number of an empty key is that of an empty slot; no row is written under one, but a log may hold anything."""
    same_place = next(key for number in range(10_000) if not hash(key := f"k{number}".encode()) & (LEAST_SLOTS - 1))
    copies = OldCopies({b"other": b"a", b"": b"b", same_place: b"a"})
    assert copies.take(same_place) == b"a"
