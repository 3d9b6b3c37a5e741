"""A token bucket: how often one account of one platform may be asked."""

import asyncio
import time


class TokenBucket:
    """`per_s` requests a second on average, `burst` at once. One bucket per (platform, application, account)."""

    def __init__(self, per_s: float, burst: float = 2.0) -> None:
        self._per_s, self._burst = per_s, max(1.0, burst)
        self._tokens, self._at = self._burst, time.monotonic()
        self._turn = asyncio.Lock()

    async def take(self) -> None:
        """Wait for a turn; those who wait are served in order."""
        async with self._turn:
            now = time.monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
            self._at = now
            if self._tokens < 1:
                wait_s = (1 - self._tokens) / self._per_s
                await asyncio.sleep(wait_s)
                self._at += wait_s
                self._tokens = 1
            self._tokens -= 1
