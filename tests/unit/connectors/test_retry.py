"""The retry: what is tried again, how long it waits, and how it is stopped."""

import asyncio
import time

import pytest

from connectors import retry
from connectors.retry import LONGEST_S, Stopped, retrying
from pipeline.codes import BadRecordCode, MisconfiguredCode, TransientCode
from pipeline.errors import BadRecord, Misconfigured, Transient


class Call:
    """Fails with each of `failures` in turn, then answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


def busy(retry_after_s: float | None = None) -> Transient:
    return Transient(TransientCode.UPSTREAM_BUSY, "busy", retry_after_s=retry_after_s)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits that were asked for; none is really waited."""
    waits: list[float] = []

    async def record(seconds: float, stop: asyncio.Event | None) -> None:
        waits.append(seconds)

    monkeypatch.setattr(retry, "_sleep", record)
    return waits


async def test_a_call_that_succeeds_is_made_once(slept: list[float]) -> None:
    call = Call()
    assert await retrying(call) == "answer"
    assert (call.calls, slept) == (1, [])


async def test_transient_is_tried_again_until_it_succeeds(slept: list[float]) -> None:
    call = Call(*(busy() for _ in range(20)))
    assert await retrying(call) == "answer"
    assert call.calls == 21


async def test_waits_are_jittered_under_a_bound_that_doubles_up_to_the_longest(slept: list[float]) -> None:
    await retrying(Call(*(busy() for _ in range(40))))
    for number, wait_s in enumerate(slept):
        assert 0 <= wait_s <= min(0.2 * 2**number, LONGEST_S)
    assert len(set(slept)) == len(slept)


async def test_what_the_other_side_asks_for_is_the_least_wait(slept: list[float]) -> None:
    await retrying(Call(busy(retry_after_s=45.0), busy(retry_after_s=0.0)))
    assert slept[0] == 45.0
    assert slept[1] <= 0.4


@pytest.mark.parametrize(
    "error",
    [BadRecord(BadRecordCode.MALFORMED), Misconfigured(MisconfiguredCode.CREDENTIAL), ValueError("a bug")],
)
async def test_anything_else_goes_through_at_once(slept: list[float], error: Exception) -> None:
    call = Call(error)
    with pytest.raises(type(error)):
        await retrying(call)
    assert (call.calls, slept) == (1, [])


async def test_after_the_last_attempt_the_failure_itself_is_raised(slept: list[float]) -> None:
    call = Call(busy(), busy(), busy())
    with pytest.raises(Transient, match="busy"):
        await retrying(call, attempts=3)
    assert (call.calls, len(slept)) == (3, 2)


async def test_each_wait_is_told_before_it_begins(slept: list[float]) -> None:
    told: list[tuple[str, float]] = []
    await retrying(Call(busy(), busy()), on_retry=lambda failure, wait_s: told.append((failure.code, wait_s)))
    assert [code for code, _ in told] == ["upstream_busy", "upstream_busy"]
    assert [wait_s for _, wait_s in told] == slept


async def test_a_stop_ends_the_wait_at_once() -> None:
    stop = asyncio.Event()
    call = Call(busy(retry_after_s=60.0))
    asyncio.get_running_loop().call_later(0.05, stop.set)
    began_s = time.monotonic()
    with pytest.raises(Stopped):
        await retrying(call, stop=stop)
    assert time.monotonic() - began_s < 10
    assert call.calls == 1


async def test_a_stop_that_does_not_come_changes_nothing() -> None:
    assert await retrying(Call(busy(retry_after_s=0.01)), stop=asyncio.Event()) == "answer"
