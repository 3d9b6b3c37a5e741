"""Copies of rows under several assignments: the newest wins, and one remains."""

import msgspec
import pytest

from pipeline.changelog import HEADER, SEPARATOR, STATE_VERSION, Changelog, header_of
from pipeline.errors import Misconfigured
from pipeline.versions import generation_of, offset_of, order_of, version_of
from tests.partition import Rec


def row_record(key: bytes, assignment: bytes, row: list[int] | None) -> Rec:
    return Rec(0, 0, key + SEPARATOR + assignment, None if row is None else msgspec.msgpack.encode(row))


def test_the_copy_with_the_highest_order_wins_whatever_came_last() -> None:
    changelog = Changelog(b"c")
    changelog.read([row_record(b"k", b"new", [9, 90]), row_record(b"k", b"frozen", [5, 50])])
    assert changelog.rows() == {b"k": [9, 90]}


def test_writing_a_row_deletes_the_copies_of_others_once() -> None:
    changelog = Changelog(b"c")
    changelog.read([row_record(b"k", b"a", [1]), row_record(b"k", b"b", [2])])
    changelog.rows()
    records = dict(changelog.write([(b"k", [3])]))
    assert set(records) == {b"k" + SEPARATOR + name for name in (b"a", b"b", b"c")}
    assert [records[b"k" + SEPARATOR + name] for name in (b"a", b"b")] == [None, None]
    assert dict(changelog.write([(b"k", [4])])).keys() == {b"k" + SEPARATOR + b"c"}


@pytest.mark.parametrize("forgotten", [False, True])
@pytest.mark.parametrize("copies", [[], [b"k"], [b"k", b"other"]])
def test_a_row_may_come_as_its_bytes(copies: list[bytes], *, forgotten: bool) -> None:
    rows: list[tuple[bytes, list[int] | None]] = [(b"k", [3, 4]), (b"gone", None), (b"new", [])]
    found = []
    for encode in (list, msgspec.msgpack.encode):
        changelog = Changelog(b"c")
        changelog.read([row_record(key, b"a", [1]) for key in copies])
        changelog.rows()
        if forgotten:
            changelog.forget_keys()
        found.append(changelog.write([(key, None if row is None else encode(row)) for key, row in rows]))
    assert found[0] == found[1]
    assert dict(found[0])[b"k" + SEPARATOR + b"c"] == msgspec.msgpack.encode([3, 4])
    assert (b"gone" + SEPARATOR + b"c", None) in found[0]
    assert len(found[0]) == len(rows) + (b"k" in copies)


def test_copies_written_by_a_woken_worker_after_our_restore_are_left_for_the_next_owner() -> None:
    ours = Changelog(b"b")
    ours.read([row_record(b"k", b"a", [1])])
    ours.rows()
    log = [row_record(b"k", b"a", [1])]
    log += [Rec(0, 0, key, value) for key, value in ours.write([(b"k", [7])])]
    log.append(row_record(b"k", b"a", [3]))  # the frozen one wakes
    following = Changelog(b"c")
    following.read(log)
    assert following.rows() == {b"k": [7]}


def test_a_deleted_row_is_gone_and_a_deleted_copy_leaves_the_others() -> None:
    changelog = Changelog(b"c")
    changelog.read(
        [
            row_record(b"k", b"a", [1]),
            row_record(b"k", b"b", [2]),
            row_record(b"k", b"a", None),
            row_record(b"gone", b"a", [1]),
            row_record(b"gone", b"a", None),
        ]
    )
    assert changelog.rows() == {b"k": [2]}


def test_a_state_of_another_topic_or_a_newer_program_is_refused() -> None:
    header = [order_of(0, 4), STATE_VERSION, 4, "id-1", 0]
    assert header_of({HEADER: list(header)}, topic="t", topic_id="id-1") == header
    with pytest.raises(Misconfigured, match="topic_recreated"):
        header_of({HEADER: list(header)}, topic="t", topic_id="id-2")
    header[1] = STATE_VERSION + 1
    with pytest.raises(Misconfigured, match="newer program"):
        header_of({HEADER: header}, topic="t", topic_id="id-1")


def test_orders_and_versions_only_grow() -> None:
    assert order_of(0, -1) == 0
    assert order_of(1, 0) > order_of(0, 2**41)
    assert (generation_of(order_of(3, 77)), offset_of(order_of(3, 77))) == (3, 77)
    live = version_of(order_of(0, 5), settled=False, is_final=False)
    final = version_of(order_of(0, 5), settled=False, is_final=True)
    settled = version_of(order_of(0, 5), settled=True, is_final=True)
    later = version_of(order_of(0, 6), settled=False, is_final=False)
    assert live < final < settled < later
    assert version_of(order_of(500, 2**42 - 2), settled=True, is_final=True) < 2**53
