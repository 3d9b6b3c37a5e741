"""The only retry: what is Transient is tried again in place, with full jitter, until it succeeds or is told to stop."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, stop_never
from tenacity.wait import wait_base, wait_random_exponential

from pipeline.errors import Transient

T = TypeVar("T")
FIRST_S = 0.2
LONGEST_S = 30.0
_JITTER = wait_random_exponential(multiplier=FIRST_S, max=LONGEST_S)


class Stopped(Exception):
    """A stop was asked for while waiting to try again: the call has had no success."""


class _Wait(wait_base):
    """Full jitter (uniform between 0 and a bound that doubles); never shorter than what the other side asked for."""

    def __call__(self, retry_state: RetryCallState) -> float:
        failure = _failure(retry_state)
        return max(_JITTER(retry_state), failure.retry_after_s or 0.0)


async def retrying(
    call: Callable[[], Awaitable[T]],
    *,
    stop: asyncio.Event | None = None,
    attempts: int | None = None,
    on_retry: Callable[[Transient, float], None] | None = None,
) -> T:
    """Awaits `call()` until it does not raise Transient. Anything else it raises goes through at once.

    `attempts` bounds the calls: the last Transient is then raised. `stop` ends a wait at once with Stopped
    (a call that runs is not cut off). `on_retry(failure, wait_s)` is told before each wait.
    """

    def before_sleep(retry_state: RetryCallState) -> None:
        if on_retry is not None:
            on_retry(_failure(retry_state), retry_state.upcoming_sleep)

    async for attempt in AsyncRetrying(
        sleep=lambda seconds: _sleep(seconds, stop),
        stop=stop_never if attempts is None else stop_after_attempt(attempts),
        wait=_Wait(),
        retry=retry_if_exception_type(Transient),
        before_sleep=before_sleep,
        reraise=True,
    ):
        with attempt:
            return await call()
    raise AssertionError("unreachable: tenacity returns or raises")


def _failure(retry_state: RetryCallState) -> Transient:
    outcome = retry_state.outcome
    failure = None if outcome is None else outcome.exception()
    assert isinstance(failure, Transient)  # noqa: S101 - nothing else is retried
    return failure


async def _sleep(seconds: float, stop: asyncio.Event | None) -> None:
    if stop is None:
        await asyncio.sleep(seconds)
        return
    try:
        await asyncio.wait_for(stop.wait(), timeout=seconds)
    except TimeoutError:
        return
    raise Stopped
