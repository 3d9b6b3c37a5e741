"""The clock: agreement between processes, speed, and never going back over a restart."""

import asyncio
import time
from pathlib import Path

import pytest

from connectors import clock as clock_module
from connectors.clock import ENVIRONMENT_NAME, Clock, load_or_start
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

REAL_MS = 1_700_000_000_000


@pytest.fixture
def real_time(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A real time that stands until the test moves it."""
    now = [REAL_MS]
    monkeypatch.setattr(clock_module, "_real_now_ms", lambda: now[0])
    return now


def test_without_a_setting_pulse_time_is_real_time() -> None:
    before_ms = time.time_ns() // 1_000_000
    now_ms = Clock.from_environment({}).now_ms()
    assert before_ms <= now_ms <= time.time_ns() // 1_000_000
    assert Clock.from_environment({ENVIRONMENT_NAME: " "}) == Clock.real()


def test_speed_60_passes_an_hour_in_a_minute(real_time: list[int]) -> None:
    clock = Clock(anchor_real_ms=REAL_MS, anchor_ms=5_000, speed=60)
    assert clock.now_ms() == 5_000
    real_time[0] += 60_000
    assert clock.now_ms() == 5_000 + 3_600_000
    assert clock.real_seconds(3600) == 60


@pytest.mark.parametrize("speed", [1.0, 60.0, 0.1, 1 / 3, 86400.0])
def test_another_process_sees_the_same_time(real_time: list[int], speed: float) -> None:
    clock = Clock(anchor_real_ms=REAL_MS - 77_777, anchor_ms=REAL_MS + 5, speed=speed)
    other = Clock.from_environment({ENVIRONMENT_NAME: clock.to_environment()})
    assert other == clock
    real_time[0] += 123_456
    assert other.now_ms() == clock.now_ms()


@pytest.mark.parametrize("text", ["1,2", "1,2,3,4", "a,2,3", "1,2,fast", "1.5,2,3"])
def test_an_unreadable_setting_is_refused_with_the_form_it_should_have(text: str) -> None:
    with pytest.raises(Misconfigured, match="anchor_real_ms,anchor_ms,speed") as refused:
        Clock.from_environment({ENVIRONMENT_NAME: text})
    assert refused.value.code == MisconfiguredCode.SETTING


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
def test_a_speed_that_does_not_go_forward_is_refused(speed: float) -> None:
    with pytest.raises(Misconfigured, match="above 0"):
        Clock(anchor_real_ms=0, anchor_ms=0, speed=speed)


async def test_sleep_takes_pulse_seconds_divided_by_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def record(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", record)
    clock = Clock(anchor_real_ms=0, anchor_ms=0, speed=60)
    await clock.sleep(90)
    await clock.sleep(-5)
    assert slept == [1.5, 0.0]


def test_a_first_start_begins_at_real_now(real_time: list[int], tmp_path: Path) -> None:
    clock = load_or_start(tmp_path / "clock.json", 60)
    assert (clock.now_ms(), clock.speed) == (REAL_MS, 60)


def test_a_later_start_goes_on_where_a_fast_clock_stopped(real_time: list[int], tmp_path: Path) -> None:
    path = tmp_path / "data" / "clock.json"
    first = load_or_start(path, 60)
    real_time[0] += 60_000
    first.save(path)
    stopped_ms = first.now_ms()
    real_time[0] += 1_000
    second = load_or_start(path, 1)
    assert second.now_ms() == stopped_ms == REAL_MS + 3_600_000


def test_a_start_long_after_takes_the_real_time(real_time: list[int], tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    load_or_start(path, 1).save(path)
    real_time[0] += 86_400_000
    assert load_or_start(path, 1).now_ms() == REAL_MS + 86_400_000


def test_after_a_kill_between_two_saves_time_does_not_go_back(real_time: list[int], tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    killed = load_or_start(path, 60)
    killed.save(path, ahead_real_s=1.0)
    real_time[0] += 1_000
    last_seen_ms = killed.now_ms()
    assert load_or_start(path, 60).now_ms() >= last_seen_ms


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"last_ms": "5"}', b'{"last_ms": true}'])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clock.json"
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match=r"clock\.json"):
        load_or_start(path, 1)
