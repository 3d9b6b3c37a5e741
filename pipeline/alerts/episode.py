"""Verdicts over time to episodes: when it began, when it was over. A pure fold over the codes of `rule.py`.

A window without enough data is passed over; nothing to judge for `stale_ms` ends an episode. What was folded and then
dropped from memory survives as a `Carry`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from pipeline.alerts.rule import DOWN_AT_ONCE, FIRST_FIRING, HOLDING, NEW_LEVEL, NOT_ENOUGH, UP_AT_ONCE

NONE = -1


class Ending(StrEnum):
    CLEAR = "clear"
    STALE = "stale"
    NEW_LEVEL = "new_level"


@dataclass(frozen=True, slots=True)
class Persistence:
    """How long before it fires, before it is over, and before silence ends it."""

    for_windows: int
    resolve_windows: int
    stale_ms: int
    sticky: bool


@dataclass(frozen=True, slots=True)
class Episode:
    """Named by the start of the window that made it fire. `last_ms`: start of its last firing window."""

    open_ms: int
    last_ms: int
    close_ms: int = NONE  # start of the window that ended it; of the last one judged, where silence did
    ending: Ending | None = None


@dataclass(slots=True)
class Carry:
    """Where the fold stands after a window. Instants are starts of windows, `known_end_ms` the end of one judged."""

    open_ms: int = NONE
    last_ms: int = NONE
    known_ms: int = NONE
    known_end_ms: int = NONE
    breaches: int = 0
    clears: int = 0

    def dump(self) -> list[int]:
        return [self.open_ms, self.last_ms, self.known_ms, self.known_end_ms, self.breaches, self.clears]

    @classmethod
    def restore(cls, dumped: Sequence[Any]) -> "Carry":
        return cls(*dumped)


def fold(
    carry: Carry,
    codes: Sequence[int],
    starts: Sequence[int],
    ends: Sequence[int],
    persistence: Persistence,
    *,
    told: Collection[int] = (),
    now_ms: int | None = None,
) -> tuple[Carry, list[Episode]]:
    """The carry after these windows, and every episode open in or before them, oldest first.

    `told`: starts of windows an alert was already opened on; with `persistence.sticky` they need only be
    HOLDING. `now_ms`: ends the last episode if nothing could be judged since; None while more windows follow.
    """
    state, episodes = replace(carry), list[Episode]()
    for code, start, end in zip(codes, starts, ends, strict=True):
        if state.open_ms != NONE and end - state.known_end_ms > persistence.stale_ms:
            episodes.append(_close(state, state.known_ms, Ending.STALE))
        if code == NOT_ENOUGH:
            continue
        state.known_ms, state.known_end_ms = start, end
        if state.open_ms == NONE:
            _wait(state, code, start, persistence, told)
        elif code == NEW_LEVEL:
            episodes.append(_close(state, start, Ending.NEW_LEVEL))
        elif code >= FIRST_FIRING:
            state.last_ms, state.clears = start, 0
        elif code == HOLDING:
            state.clears = 0
        else:
            state.clears += 1
            if state.clears >= persistence.resolve_windows:
                episodes.append(_close(state, start, Ending.CLEAR))
    carried = replace(state)
    if state.open_ms != NONE:
        if now_ms is not None and now_ms - state.known_end_ms > persistence.stale_ms:
            episodes.append(_close(state, state.known_ms, Ending.STALE))
        else:
            episodes.append(Episode(state.open_ms, state.last_ms))
    return carried, episodes


def _wait(state: Carry, code: int, start: int, persistence: Persistence, told: Collection[int]) -> None:
    if code == NEW_LEVEL or code < HOLDING:
        state.breaches = 0
        return
    if code == HOLDING:
        state.breaches = 0
        opens = persistence.sticky and start in told
    else:
        state.breaches += 1
        opens = state.breaches >= persistence.for_windows or code in (UP_AT_ONCE, DOWN_AT_ONCE) or start in told
    if opens:
        state.open_ms = state.last_ms = start
        state.breaches = state.clears = 0


def _close(state: Carry, close_ms: int, ending: Ending) -> Episode:
    episode = Episode(state.open_ms, state.last_ms, close_ms, ending)
    state.open_ms = NONE
    state.breaches = state.clears = 0
    return episode
