"""Workers and sink die by kill -9 every three seconds; totals and alerts are those of an undisturbed run."""

import random
import threading
import time
from pathlib import Path

import pytest

from tests.simulated import recorded, start_market, stop_market
from tests.system import Message, System, system

EVENTS, EVENTS_PER_S = 60_000, 1_000
KILLS, EVERY_S = 20, 3.0


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Message], set[tuple[str, int, str]]]:
    """The raw records of a simulated day, and the alerts of a run that nobody disturbed."""
    with system(tmp_path_factory.mktemp("calm")) as running:
        running.workers(2)
        running.start("sink", "sink")
        start_market(running, speed=600, events_per_s=3_000, events=EVENTS)
        time.sleep(25)
        stop_market(running)
        running.drain()
        found = running.verify()
        assert (found["lost"], found["duplicated"], found["drift_micros"], found["differences"]) == (0, 0, 0, [])
        return recorded(running), running.alerts()


def killing(running: System, names: list[str], stop: threading.Event) -> list[str]:
    dice = random.Random(11)
    killed: list[str] = []
    while len(killed) < KILLS and not stop.wait(EVERY_S):
        name = dice.choice(names)
        if running.kill(name):
            killed.append(name)
    return killed


@pytest.mark.timeout(300)
def test_twenty_kills_lose_nothing_double_nothing_and_change_no_alert(
    calm: tuple[list[Message], set[tuple[str, int, str]]], tmp_path: Path
) -> None:
    messages, expected = calm
    assert len(expected) > 5, "the undisturbed run fires too few alerts to compare"
    with system(tmp_path) as running:
        names = [*running.workers(2, PULSE_WORKER__SESSION_S="3"), "sink"]
        running.start("sink", "sink")
        stop = threading.Event()
        killed: list[str] = []
        killer = threading.Thread(target=lambda: killed.extend(killing(running, names, stop)))
        killer.start()
        running.produce(messages, per_s=EVENTS_PER_S)
        killer.join(KILLS * EVERY_S + 30)
        stop.set()
        assert len(killed) == KILLS
        assert set(killed) == set(names)
        running.drain(90)
        found = running.verify()
        assert (found["lost"], found["duplicated"], found["drift_micros"], found["differences"]) == (0, 0, 0, [])
        assert running.alerts() == expected
