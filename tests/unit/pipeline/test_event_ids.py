"""Which repeats are known, for how long, and after a restart."""

from collections.abc import Callable

import msgspec
import pytest

from pipeline.event_ids import CHUNK_IDS, HOUR_MS, EventIds
from pipeline.per_record import counters
from tests.counted_states import IN_C

Make = Callable[[int], EventIds]


@pytest.fixture(params=IN_C)
def make(request: pytest.FixtureRequest) -> Make:
    """Event ids that are remembered for so many hours."""
    return lambda horizon_h: counters(horizon_h, in_c=request.param)[0]


def saved(ids: EventIds) -> dict[bytes, list[object]]:
    """As it is read back."""
    return {key: msgspec.msgpack.decode(msgspec.msgpack.encode(row)) for key, row in ids.take(order=1)}


def test_an_id_counts_once_within_the_horizon_and_again_beyond_it(make: Make) -> None:
    # hour:   0        23       47     48 + 1 (24 h after the last sight)
    #         new      repeat   repeat new
    ids = make(24)
    assert ids.add("e")
    ids.advance(23 * HOUR_MS)
    assert not ids.add("e")
    ids.advance(47 * HOUR_MS)
    assert not ids.add("e")
    ids.advance(72 * HOUR_MS)
    assert ids.add("e")


def test_memory_and_changelog_shrink_when_hours_pass(make: Make) -> None:
    ids = make(2)
    for number in range(10):
        ids.add(f"e{number}")
    chunks = saved(ids)
    assert len(chunks) == 1
    ids.advance(3 * HOUR_MS)
    assert len(ids) == 0
    assert saved(ids) == {}
    assert dict(ids.take_expired()) == dict.fromkeys(chunks)


def test_ids_survive_a_restart_in_chunks_of_bounded_size(make: Make) -> None:
    ids, log = make(24), {}
    for number in range(3 * CHUNK_IDS + 7):
        ids.add(f"e{number}")
        if number % 1100 == 0:
            log.update(saved(ids))
    log.update(saved(ids))
    assert max(len(row[2]) for row in log.values()) <= CHUNK_IDS  # type: ignore[arg-type]
    again = make(24)
    for key, row in log.items():
        again.load(key, row)
    assert not any(again.add(f"e{number}") for number in range(3 * CHUNK_IDS + 7))
    assert again.add("another")


def test_a_chunk_that_was_open_at_the_turn_of_the_hour_is_kept_whole(make: Make) -> None:
    ids = make(24)
    ids.add("a")
    log = saved(ids)
    ids.add("b")
    ids.advance(HOUR_MS)
    ids.add("c")
    log.update(saved(ids))
    again = make(24)
    for key, row in log.items():
        again.load(key, row)
    assert not any(again.add(name) for name in "abc")
