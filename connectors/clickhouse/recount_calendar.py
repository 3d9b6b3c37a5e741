"""Account days and hours in ClickHouse's own calendar, so that the recount shares nothing with the pipeline.

A DateTime's zone is part of its type, so every zone gets a branch of its own. All instants are Unix seconds.
"""

import re
from collections.abc import Callable, Sequence

HOUR_STEPS = 12  # quarters to look back for the start of an hour around a change of the clock
DAY_STEPS = 27 * 4
_NAME = re.compile(r"^[A-Za-z0-9_+\-/]+$")


def by_zone(zone: str, zones: Sequence[str], expression: Callable[[str], str]) -> str:
    """SQL: `expression(name)` of the branch whose name is the value of the SQL expression `zone`; 0 of others."""
    branches = [f"{zone} = '{name}', {expression(_checked(name))}" for name in zones]
    return f"multiIf({', '.join(branches)}, 0)" if branches else "0"


def hour_start(at_s: str) -> Callable[[str], str]:
    """SQL: where the hour of the account's clock begins; an hour that is shown twice is one hour of two."""
    return lambda zone: _start(at_s, zone, unit_s=3600, steps=HOUR_STEPS, name="%Y%m%d%H")


def day_start(at_s: str) -> Callable[[str], str]:
    """SQL: the first instant of the account's calendar day."""
    return lambda zone: _start(at_s, zone, unit_s=86_400, steps=DAY_STEPS, name="%Y%m%d")


def _start(at_s: str, zone: str, *, unit_s: int, steps: int, name: str) -> str:
    """Plain arithmetic while the clock's offset is steady; around a change, the earliest quarter of the same name."""
    offset = f"timezoneOffset(toDateTime({at_s}, '{zone}'))"
    before = f"timezoneOffset(toDateTime({at_s} - {steps * 900}, '{zone}'))"
    steady = f"intDiv({at_s} + {offset}, {unit_s}) * {unit_s} - {offset}"
    quarter = f"intDiv({at_s}, 900) * 900"
    shown = f"formatDateTime(toDateTime({quarter}, 'UTC'), '{name}', '{zone}')"
    then = f"formatDateTime(toDateTime({quarter} - 900 * step, 'UTC'), '{name}', '{zone}')"
    stepped = f"{quarter} - 900 * arrayMax(step -> if({then} = {shown}, step, 0), range({steps}))"
    return f"if({offset} = {before}, toInt64({steady}), toInt64({stepped}))"


def local_instant(text: str) -> Callable[[str], str]:
    """SQL: the instant of a local time that is shown, 'YYYY-MM-DD hh:mm:ss'."""
    return lambda zone: f"toInt64(toUnixTimestamp(toDateTime({text}, '{zone}')))"


def _checked(name: str) -> str:
    if not _NAME.match(name):
        raise ValueError(name)
    return name
