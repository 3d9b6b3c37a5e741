"""Draining: each hop is passed in order, and what goes on arriving keeps nobody waiting."""

import itertools
import threading

import pytest

from agents import drain
from agents.drain import Offsets, pass_hops

PLACE = ("raw", 0)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "POLL_S", 0.0)


def at(offset: int) -> Offsets:
    return {PLACE: offset}


def test_a_source_that_goes_on_is_no_reason_to_wait() -> None:
    # One record more at every look, and the reader always one behind.
    ends, committed = itertools.count(10), itertools.count(5)
    assert pass_hops(iter([(lambda: at(next(ends)), lambda: at(next(committed)))]), limit_s=5)


def test_the_goal_of_a_hop_is_read_after_the_one_before_it() -> None:
    told: list[str] = []

    def tell(name: str, offset: int) -> Offsets:
        told.append(name)
        return at(offset)

    positions = iter([1, 3])
    first = (lambda: tell("goal 1", 3), lambda: tell("at 1", next(positions)))
    second = (lambda: tell("goal 2", 1), lambda: tell("at 2", 1))
    assert pass_hops(iter([first, second]), limit_s=5)
    assert told == ["goal 1", "at 1", "at 1", "goal 2", "at 2"]


def test_a_partition_that_was_never_read_counts_as_behind() -> None:
    assert not pass_hops(iter([(lambda: at(1), dict)]), limit_s=0.01)


def test_an_empty_partition_is_at_its_end() -> None:
    assert pass_hops(iter([(lambda: at(0), dict)]), limit_s=0.01)


def test_it_ends_when_told_to() -> None:
    stop = threading.Event()
    stop.set()
    assert not pass_hops(iter([(lambda: at(1), lambda: at(0))]), limit_s=60, stop=stop)
