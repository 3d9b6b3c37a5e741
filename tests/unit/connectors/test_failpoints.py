"""Places where a test kills the process: off by default, and a misspelt one is refused."""

import os
import signal

import pytest

from connectors.failpoints import SINK_PLACES, WORKER_PLACES, failpoints
from pipeline.errors import Misconfigured


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    monkeypatch.setattr("connectors.failpoints.os.kill", lambda pid, number: found.append((pid, number)))
    return found


def test_without_a_setting_nothing_ever_dies(killed: list[tuple[int, int]]) -> None:
    reach = failpoints("")
    for place in WORKER_PLACES:
        reach(place)
    assert killed == []


def test_a_named_place_kills_this_process_at_once_and_the_others_do_not(killed: list[tuple[int, int]]) -> None:
    reach = failpoints("totals_written,rows_written:0")
    for place in ("before_flush", "rows_written", "acked"):
        reach(place)
    assert killed == []
    reach("totals_written")
    assert killed == [(os.getpid(), signal.SIGKILL)]


def test_it_dies_about_as_often_as_it_was_told(killed: list[tuple[int, int]]) -> None:
    reach = failpoints("acked:0.5")
    for _ in range(1000):
        reach("acked")
    assert 400 < len(killed) < 600


def test_an_unknown_place_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Misconfigured) as refused:
        failpoints("totals_wirtten:0.1")
    assert all(place in refused.value.detail for place in WORKER_PLACES)


def test_each_process_knows_its_own_places_only(killed: list[tuple[int, int]]) -> None:
    reach = failpoints("block_written", SINK_PLACES)
    reach("range_written")
    assert killed == []
    reach("block_written")
    assert killed == [(os.getpid(), signal.SIGKILL)]
    with pytest.raises(Misconfigured):
        failpoints("block_written")
