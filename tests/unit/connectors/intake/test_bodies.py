"""Where one event ends and the next begins, and what a body may not be."""

import gzip
import json
import random
import tracemalloc

import pytest

from connectors.intake.bodies import MAX_EVENTS, MAX_MEMBERS, events_of, unpack
from connectors.intake.problems import RefusedRequest

ONE = b'{"event_id": "1",  "note":"\\u00e4 ]\\n}"}'
TWO = b'{"event_id":"2"}'


@pytest.mark.parametrize("lines", [False, True])
def test_one_object_is_one_event_as_it_was_written(lines: bool) -> None:
    assert events_of(b"  " + ONE + b"\r\n", lines=lines) == [ONE]


def test_an_object_over_several_lines_is_one_event() -> None:
    pretty = json.dumps(json.loads(ONE), indent=2).encode()
    assert events_of(pretty, lines=False) == [pretty]


def test_an_array_is_cut_into_the_bytes_of_its_elements() -> None:
    assert events_of(b"[ " + ONE + b" ,\n" + TWO + b"]", lines=False) == [ONE, TWO]


def test_elements_that_are_no_objects_are_left_to_the_reading_of_events() -> None:
    assert events_of(b'[1,"a",null,[2],{}]', lines=False) == [b"1", b'"a"', b"null", b"[2]", b"{}"]


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n  \n"])
def test_one_event_a_line_is_seen_by_its_content(lines: bool, end: bytes) -> None:
    assert events_of(ONE + end + TWO + end, lines=lines) == [ONE, TWO]


def test_a_broken_line_does_not_take_the_others_with_it() -> None:
    assert events_of(b"{broken\n" + TWO, lines=True) == [b"{broken", TWO]


def test_an_array_on_a_line_is_left_as_it_is_when_the_sender_says_lines() -> None:
    assert events_of(b"[" + ONE + b"]\n" + TWO, lines=True) == [b"[" + ONE + b"]", TWO]


@pytest.mark.parametrize("body", [b"", b" \n ", b"[" + ONE, b"[" + ONE + b",]", b"[NaN]", b"[" * 100_000])
def test_a_body_that_cannot_be_cut_up_is_refused(body: bytes) -> None:
    with pytest.raises(RefusedRequest) as refused:
        events_of(body, lines=False)
    assert (refused.value.status, refused.value.code) == (400, "malformed")


def test_an_empty_array_holds_no_event() -> None:
    assert events_of(b"[]", lines=False) == []


@pytest.mark.parametrize("lines", [False, True])
def test_as_many_events_as_allowed_are_taken_and_one_more_is_not(lines: bool) -> None:
    def body(count: int) -> bytes:
        return b"\n".join([TWO] * count) if lines else b"[" + b",".join([TWO] * count) + b"]"

    assert len(events_of(body(MAX_EVENTS), lines=lines)) == MAX_EVENTS
    with pytest.raises(RefusedRequest) as refused:
        events_of(body(MAX_EVENTS + 1), lines=lines)
    assert refused.value.status == 413


def test_an_array_of_very_many_small_things_is_refused_before_they_are_cut_out() -> None:
    with pytest.raises(RefusedRequest) as objects:
        events_of(b"[" + b"{}," * 250_000 + b"{}]", lines=False)
    with pytest.raises(RefusedRequest) as numbers:
        events_of(b"[" + b"1," * 250_000 + b"1]", lines=False)
    assert (objects.value.status, numbers.value.status) == (413, 400)


def test_gzip_is_unpacked_member_by_member() -> None:
    assert unpack(gzip.compress(ONE) + gzip.compress(TWO), 1000) == ONE + TWO


def test_gzip_may_unpack_to_the_limit_and_no_further() -> None:
    assert len(unpack(gzip.compress(bytes(5000)), 5000)) == 5000
    for packed in (gzip.compress(bytes(5001)), gzip.compress(bytes(3000)) + gzip.compress(bytes(3000))):
        with pytest.raises(RefusedRequest) as refused:
            unpack(packed, 5000)
        assert refused.value.status == 413


@pytest.mark.parametrize("packed", [b"not gzip", gzip.compress(ONE)[:-4], gzip.compress(ONE) + b"rest"])
def test_what_is_not_gzip_to_its_end_is_refused(packed: bytes) -> None:
    with pytest.raises(RefusedRequest) as refused:
        unpack(packed, 1000)
    assert refused.value.status == 400


def test_gzip_of_many_members_is_unpacked_and_of_very_many_is_refused() -> None:
    one = gzip.compress(b"")
    assert unpack(one * (MAX_MEMBERS - 1) + gzip.compress(ONE), 1000) == ONE
    with pytest.raises(RefusedRequest) as refused:
        unpack(one * 500_000, 1000)  # each costs a copy of what follows: hours, were they all looked at
    assert refused.value.status == 400
    assert "members" in str(refused.value)


def test_gzip_longer_than_a_piece_is_unpacked_whatever_it_holds() -> None:
    noise = random.Random(1).randbytes(300_000)
    assert unpack(gzip.compress(noise) + gzip.compress(noise[:7]), 400_000) == noise + noise[:7]
    with pytest.raises(RefusedRequest):
        unpack(gzip.compress(noise)[:-9], 400_000)


@pytest.mark.parametrize("members", [1, 32])
def test_a_body_that_unpacks_to_gigabytes_is_refused_within_the_limit(members: int) -> None:
    bomb = gzip.compress(bytes(64 << 20), 1) * members
    tracemalloc.start()
    try:
        with pytest.raises(RefusedRequest) as refused:
            unpack(bomb, 4 << 20)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refused.value.status == 413
    assert peak_bytes < 6 * (4 << 20)
