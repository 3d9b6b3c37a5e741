"""Which repeats are known, for how long, and after a restart."""

import pytest

from pipeline.event_ids import CHUNK_IDS, HOUR_MS, EventIds, Memory
from pipeline.id_memory import IdMemory
from pipeline.per_record import native

MEMORIES: list[type[Memory]] = [IdMemory] if native is None else [IdMemory, native.IdMemory]


@pytest.fixture(params=MEMORIES)
def memory(request: pytest.FixtureRequest) -> type[Memory]:
    found: type[Memory] = request.param
    return found


def saved(ids: EventIds) -> dict[bytes, list[object] | None]:
    return dict(ids.take(order=1))


def test_an_id_counts_once_within_the_horizon_and_again_beyond_it(memory: type[Memory]) -> None:
    # hour:   0        23       47     48 + 1 (24 h after the last sight)
    #         new      repeat   repeat new
    ids = EventIds(24, memory())
    assert ids.add("e")
    ids.advance(23 * HOUR_MS)
    assert not ids.add("e")
    ids.advance(47 * HOUR_MS)
    assert not ids.add("e")
    ids.advance(72 * HOUR_MS)
    assert ids.add("e")


def test_memory_and_changelog_shrink_when_hours_pass(memory: type[Memory]) -> None:
    ids = EventIds(2, memory())
    for number in range(10):
        ids.add(f"e{number}")
    chunks = saved(ids)
    assert len(chunks) == 1
    ids.advance(3 * HOUR_MS)
    assert len(ids) == 0
    assert saved(ids) == {}
    assert dict(ids.take_expired()) == dict.fromkeys(chunks)


def test_ids_survive_a_restart_in_chunks_of_bounded_size(memory: type[Memory]) -> None:
    ids, log = EventIds(24, memory()), {}
    for number in range(3 * CHUNK_IDS + 7):
        ids.add(f"e{number}")
        if number % 1100 == 0:
            log.update(saved(ids))
    log.update(saved(ids))
    assert max(len(row[2]) for row in log.values() if row is not None) <= CHUNK_IDS  # type: ignore[arg-type]
    again = EventIds(24, memory())
    for key, row in log.items():
        assert row is not None
        again.load(key, row)
    assert not any(again.add(f"e{number}") for number in range(3 * CHUNK_IDS + 7))
    assert again.add("another")


def test_a_chunk_that_was_open_at_the_turn_of_the_hour_is_kept_whole(memory: type[Memory]) -> None:
    ids = EventIds(24, memory())
    ids.add("a")
    log = saved(ids)
    ids.add("b")
    ids.advance(HOUR_MS)
    ids.add("c")
    log.update(saved(ids))
    again = EventIds(24, memory())
    for key, row in log.items():
        assert row is not None
        again.load(key, row)
    assert not any(again.add(name) for name in "abc")
