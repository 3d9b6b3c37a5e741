"""Pairs put together in C are batches as they are written from a list, and read back they are the pairs."""

from typing import Any

import pytest
from aiokafka.codec import lz4_decode
from hypothesis import given
from hypothesis import strategies as st

from connectors.kafka_producer import pack
from pipeline.changelog import Changelog, encoded
from pipeline.copies import SEPARATOR
from pipeline.counted_kept import CAMPAIGN_PREFIX, kept_campaigns
from pipeline.counted_rows import Campaign
from pipeline.outputs import Outputs, Pair, Parts, pairs_in_c, runs_of
from pipeline.per_record import BUILT
from tests.wire_writing import PairsOfBlocks, write_in_python

# Sizes on both sides of where their varints get longer, and of blocks.
PARTS = st.one_of(
    st.none(),
    st.binary(max_size=12),
    st.sampled_from([0, 1, 63, 64, 200, 2_000, 8_191, 8_192, 70_000]).map(lambda size: b"x" * size),
)
PAIRS = st.lists(st.tuples(PARTS, PARTS), max_size=12)
ROOMS = st.one_of(st.integers(0, 400), st.sampled_from([8_300, 100_000, 1 << 20]))


def written(pairs: list[Pair], room_bytes: int) -> list[tuple[bytes, int, bool]]:
    blocks, place = list[tuple[bytes, int, bool]](), 0
    while place < len(pairs):
        start = place
        records, place = write_in_python(pairs, start, room_bytes)
        blocks.append((records, place - start, False))
    return blocks


@given(PAIRS, PAIRS, PAIRS, ROOMS, ROOMS, st.binary(max_size=9))
def test_the_blocks_are_those_of_a_list(
    one_by_one: list[Pair], at_once: list[Pair], of_others: list[Pair], room_bytes: int, other_bytes: int, suffix: bytes
) -> None:
    found, others = PairsOfBlocks(room_bytes), PairsOfBlocks(other_bytes)
    for pair in one_by_one:
        found.append(pair)
    found.extend(at_once)
    others.extend(of_others)
    found.extend(others, suffix)
    added = [(None if key is None else key + suffix, value) for key, value in of_others]
    expected = [*one_by_one, *at_once, *added]
    assert (len(found), list(found)) == (len(expected), expected)
    assert list(others) == of_others  # they are still there
    assert found.drain() == written(expected, room_bytes)
    assert (len(found), list(found), found.drain()) == (0, [], [])


@given(PAIRS, PAIRS, ROOMS)
def test_blocks_that_are_full_are_packed_and_hold_the_same(
    pairs: list[Pair], more: list[Pair], room_bytes: int
) -> None:
    kept: list[bytes] = []  # what was shown stays as it was, whoever keeps it

    def keeping(records: bytes) -> bytes:
        kept.append(records)
        return pack(records)

    for packing in (pack, keeping):
        found, others = PairsOfBlocks(room_bytes, packing), PairsOfBlocks(room_bytes, packing)
        others.extend(more)
        for pair in pairs:
            found.append(pair)
        found.extend(others, b"")
        assert list(found) == [*pairs, *more]
        drained = found.drain()
        assert [packed for _, _, packed in drained] == [True] * (len(drained) - 1) + [False] * bool(drained)
        unpacked = [(lz4_decode(block) if packed else block, count, False) for block, count, packed in drained]
        assert unpacked == written([*pairs, *more], room_bytes)
    assert {block for block, _, _ in written([*pairs, *more], room_bytes)[:-1]} <= set(kept)


def test_a_block_that_cannot_be_packed_is_told() -> None:
    def fails(records: bytes) -> bytes:
        raise OverflowError(len(records))

    found = PairsOfBlocks(10, fails)

    def write_two_blocks() -> None:
        found.extend([(b"key", b"value")] * 2)
        found.drain()

    with pytest.raises(OverflowError):
        write_two_blocks()


def test_of_many_pairs_none_is_lost_where_blocks_grow() -> None:
    pairs: list[Pair] = [(b"key %d" % number, b"v" * (number % 1_000)) for number in range(3_000)]
    found = PairsOfBlocks(100_000)
    found.extend(iter(pairs))
    assert list(found) == pairs
    assert found.drain() == written(pairs, 100_000)


@pytest.mark.parametrize("pair", [b"key", (b"key",), (b"key", "value"), (1, b"value"), [b"key", b"value"]])
def test_what_is_no_pair_of_bytes_is_refused(pair: object) -> None:
    found = PairsOfBlocks(100)
    for add in (found.append, lambda one: found.extend([one])):
        with pytest.raises(TypeError):
            add(pair)
    assert list(found) == []


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b"]), PARTS, st.binary(max_size=5)), max_size=8),
    st.sampled_from([False, BUILT]),
)
def test_outputs_are_what_was_put_in_and_no_two_runs_of_a_topic_follow_each_other(
    all_of_them: list[tuple[str, bytes | None, bytes]], in_c: bool
) -> None:
    found = Outputs(in_c=in_c)
    for number, output in enumerate(all_of_them):
        if number % 2:
            found.append(output)
        else:
            one = pairs_in_c() if in_c else list[Pair]()
            one.append(output[1:])
            found.add(output[0], one)
    assert (list(found), len(found)) == (all_of_them, len(all_of_them))
    topics = [topic for topic, _ in runs_of(found)]
    assert topics == [topic for topic, _ in runs_of(all_of_them)]
    assert [list(pairs) for _, pairs in runs_of(found)] == [list(pairs) for _, pairs in runs_of(all_of_them)]


ZONES = st.one_of(
    st.text("ABCä/_", max_size=40), st.sampled_from([31, 32, 255, 256, 65_535, 65_536]).map(lambda size: "x" * size)
)
IDS = st.text("abcXYZ019_.-", min_size=1, max_size=40)


@given(
    st.lists(st.tuples(IDS, ZONES, st.sampled_from(["", "EUR"])), max_size=4),
    st.one_of(st.integers(0, 2**40), st.integers(2**62, 2**63 - 1)),
)
def test_campaigns_of_the_changelog_are_byte_for_byte_those_of_python(
    told: list[tuple[str, str, str]], order: int
) -> None:
    campaigns: dict[bytes | None, Campaign] = {}
    for name, zone, currency in told:
        key = f"meta:acc:{name}"
        campaigns[key.encode()] = Campaign(key, zone=zone, currency=currency)
    names = [name for name in campaigns if name is not None]
    expected = kept_campaigns(names, campaigns, order, in_c=False)
    found = kept_campaigns(names, campaigns, order, in_c=BUILT)
    assert [(key, encoded(row) if isinstance(row, list) else row) for key, row in found] == [
        (key, encoded(row)) for key, row in expected
    ]
    assert all(key is not None and key.startswith(CAMPAIGN_PREFIX) for key, _ in found)


@given(PAIRS.map(lambda pairs: [(key, value) for key, value in pairs if key]), st.booleans())
def test_parts_are_written_to_the_changelog_as_a_list_is(
    rows: list[tuple[bytes, bytes | None]], superseded: bool
) -> None:
    found = []
    for in_c in (False, BUILT):
        changelog = Changelog(b"me", in_c=in_c)
        if superseded and rows:
            record = type("Rec", (), {"key": rows[0][0] + SEPARATOR + b"old", "value": encoded([1]), "offset": 0})
            changelog.read([record])  # type: ignore[list-item]
            changelog.rows()
        part: Any = pairs_in_c() if in_c else []
        part.extend(rows)
        written_rows = changelog.write(Parts([rows, part, [(b"more", [1, "x"])]]))
        found.append(list(written_rows))
    assert found[0] == found[1]
