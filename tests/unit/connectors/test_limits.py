"""How often an account may be asked: the bucket over a clock and a sleep that the test holds."""

import asyncio

import pytest

from connectors.limits import TokenBucket


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every wait; the clock moves by it and by nothing else."""
    waits: list[float] = []
    now = 100.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        waits.append(seconds)
        now += seconds

    monkeypatch.setattr("connectors.limits.asyncio.sleep", sleep)
    monkeypatch.setattr("connectors.limits.time.monotonic", lambda: now)
    return waits


async def test_a_burst_goes_at_once_and_then_the_rate_holds(slept: list[float]) -> None:
    bucket = TokenBucket(4.0, burst=2)
    for _ in range(6):
        await bucket.take()
    assert slept == pytest.approx([0.25] * 4)


async def test_what_is_not_used_is_kept_up_to_the_burst_only(
    slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = TokenBucket(1.0, burst=2)
    monkeypatch.setattr("connectors.limits.time.monotonic", lambda: 100_000.0)
    for _ in range(3):
        await bucket.take()
    assert slept == pytest.approx([1.0])


async def test_those_who_wait_together_are_served_in_turn(slept: list[float]) -> None:
    bucket = TokenBucket(10.0, burst=1)
    served: list[int] = []

    async def ask(number: int) -> None:
        await bucket.take()
        served.append(number)

    await asyncio.gather(*(ask(number) for number in range(5)))
    assert served == [0, 1, 2, 3, 4]
    assert sum(slept) == pytest.approx(0.4)
