"""The one clock of a process: pulse time, which a demo may let run faster than real time.

A process gets its clock at start, through the environment, so that all processes of one system agree.
Records carry the time; only the edges (fetching, receiving, ticking) read it here.
"""

import asyncio
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

ENVIRONMENT_NAME = "PULSE_CLOCK"


@dataclass(frozen=True, slots=True)
class Clock:
    """`now_ms = anchor_ms + (real now - anchor_real_ms) * speed`; all instants Unix ms UTC, `speed` > 0."""

    anchor_real_ms: int
    anchor_ms: int
    speed: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.speed) and self.speed > 0):
            raise Misconfigured(
                MisconfiguredCode.SETTING,
                f"The clock's speed must be a number above 0, not {self.speed}: 1 is real time, 60 an hour a minute.",
            )

    @classmethod
    def real(cls) -> "Clock":
        """Pulse time = real time."""
        return cls(anchor_real_ms=0, anchor_ms=0, speed=1.0)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Clock":
        """Reads `PULSE_CLOCK`; absent or empty is real time. Raises Misconfigured(SETTING) when unreadable."""
        text = environment.get(ENVIRONMENT_NAME, "").strip()
        if not text:
            return cls.real()
        try:
            anchor_real_ms, anchor_ms, speed = text.split(",")
            parts = int(anchor_real_ms), int(anchor_ms), float(speed)
        except ValueError:
            raise Misconfigured(
                MisconfiguredCode.SETTING,
                f'{ENVIRONMENT_NAME} is "{text}"; write it as anchor_real_ms,anchor_ms,speed, or unset it.',
            ) from None
        return cls(*parts)

    def to_environment(self) -> str:
        """The value of `PULSE_CLOCK` that makes another process see the same time."""
        return f"{self.anchor_real_ms},{self.anchor_ms},{self.speed!r}"

    def now_ms(self) -> int:
        """Pulse time now, Unix ms."""
        return self.anchor_ms + math.floor((_real_now_ms() - self.anchor_real_ms) * self.speed)

    def real_seconds(self, pulse_seconds: float) -> float:
        """How long `pulse_seconds` take on the wall."""
        return pulse_seconds / self.speed

    async def sleep(self, pulse_seconds: float) -> None:
        """Sleeps until `pulse_seconds` of pulse time have passed; zero or less only yields."""
        await asyncio.sleep(max(0.0, self.real_seconds(pulse_seconds)))

    def save(self, path: Path, *, ahead_real_s: float = 0.0) -> None:
        """Writes what a later start must not fall behind. The owner calls it regularly and once at the end.

        `ahead_real_s`: real seconds until the next save, at most. With it the file stays true through a
        kill -9: no time above the saved one is given out before the next save.
        """
        last_ms = self.now_ms() + math.ceil(ahead_real_s * 1000 * self.speed)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.name + ".new")
        beside.write_bytes(orjson.dumps({"last_ms": last_ms}))
        os.replace(beside, path)


def load_or_start(path: Path, speed: float) -> Clock:
    """The clock of a data directory, from now on: starts at real now, or where the last one stopped if that is later.

    Raises Misconfigured(SETTING) when the saved file cannot be read or `speed` is not above 0.
    """
    real_ms = _real_now_ms()
    try:
        saved = orjson.loads(path.read_bytes())
        last_ms = saved["last_ms"]
        if type(last_ms) is not int:
            raise TypeError(last_ms)  # noqa: TRY301 (one sentence for every way the file can be wrong)
    except FileNotFoundError:
        last_ms = real_ms
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise Misconfigured(
            MisconfiguredCode.SETTING,
            f"The saved clock {path} cannot be read; delete that file to go on from the real time.",
        ) from None
    return Clock(anchor_real_ms=real_ms, anchor_ms=max(last_ms, real_ms), speed=speed)


def _real_now_ms() -> int:
    return time.time_ns() // 1_000_000
