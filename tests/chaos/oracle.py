"""The oracle: what the ledger owes the store, and what the store has. Shares no code with the pipeline.

Two passes over ledger and raw rows at most, and memory of eight bytes a record: millions of events fit.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from tests.chaos.ledger import MEASURES, UNTOLD, Entry

SHOWN = 20
SPEND = MEASURES.index("spend_micros")
MINUTE_MS, DAY_MS = 60_000, 86_400_000
# Documented: how late an event may come and still count in a window of that length.
KEPT_MS = {"1m": 2 * DAY_MS, "5m": 2 * DAY_MS, "1h": 35 * DAY_MS, "1d": 400 * DAY_MS}
LENGTH_MS = {"1m": MINUTE_MS, "5m": 5 * MINUTE_MS, "1h": 60 * MINUTE_MS, "1d": DAY_MS}

WindowKey = tuple[str, str, str, int]  # campaign key, basis, window, start (Unix ms)
Figures = tuple[int, ...]  # in the order of MEASURES
Alert = tuple[str, int, str]  # alert id, version, transition
RawRow = tuple[str, int, int, int]  # topic, partition, offset, digest of the value
Ids = np.ndarray[Any, np.dtype[np.uint64]]
NOTHING: Figures = (0,) * len(MEASURES)


@dataclass(frozen=True, slots=True)
class Damage:
    """How often, and the first cases by name."""

    count: int = 0
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """What the system has in the end. `raw` may be asked again; `totals` leaves out the windows it has nothing of."""

    raw: Callable[[], Iterable[RawRow]]
    totals: Mapping[WindowKey, Figures]
    alerts: frozenset[Alert]


@dataclass(frozen=True, slots=True)
class Findings:
    """`lost` and `duplicated` are raw records; `too_low`, `too_high` windows in which some figure is; `drift_micros`
    the sum of all differences in spend, `drift_other` in the other figures. `given_up`: windows not compared."""

    sent: int
    windows: int
    given_up: int
    lost: Damage
    duplicated: Damage
    too_low: Damage
    too_high: Damage
    drift_micros: int
    drift_other: int
    alerts: int
    alerts_missing: Damage
    alerts_extra: Damage

    @property
    def ok(self) -> bool:
        damages = (
            self.lost,
            self.duplicated,
            self.too_low,
            self.too_high,
            self.alerts_missing,
            self.alerts_extra,
        )
        return not (self.drift_micros or self.drift_other or any(each.count for each in damages))


def judge(ledger: Iterable[Entry], stored: Stored, expected_alerts: frozenset[Alert]) -> Findings:
    """Compares. `ledger` is iterated twice when something is wrong."""
    digests, owed = _read(ledger)
    sent = np.sort(np.frombuffer(digests, dtype=np.uint64))
    lost, duplicated = _records(ledger, sent, stored)
    low, high = _Windows(), _Windows()
    drift = [0] * len(MEASURES)
    for key in sorted({*owed.figures, *stored.totals} - owed.given_up):
        want, have = owed.figures.get(key, NOTHING), stored.totals.get(key, NOTHING)
        for index, difference in enumerate(h - w for w, h in zip(want, have, strict=True)):
            drift[index] += abs(difference)
            if difference:
                (low if difference < 0 else high).add(key, f"{MEASURES[index]} {want[index]}, found {have[index]}")
    return Findings(
        sent=len(sent),
        windows=len(owed.figures),
        given_up=len(owed.given_up),
        lost=lost,
        duplicated=duplicated,
        too_low=low.damage(),
        too_high=high.damage(),
        drift_micros=drift[SPEND],
        drift_other=sum(drift) - drift[SPEND],
        alerts=len(stored.alerts),
        alerts_missing=_alerts(expected_alerts - stored.alerts),
        alerts_extra=_alerts(stored.alerts - expected_alerts),
    )


@dataclass(slots=True)
class _Windows:
    lines: dict[WindowKey, list[str]] = field(default_factory=dict)

    def add(self, key: WindowKey, line: str) -> None:
        self.lines.setdefault(key, []).append(line)

    def damage(self) -> Damage:
        first = list(self.lines.items())[:SHOWN]
        return Damage(len(self.lines), tuple(f"{'|'.join(map(str, key))}: {', '.join(all_)}" for key, all_ in first))


@dataclass(slots=True)
class _Owed:
    figures: dict[WindowKey, Figures]
    given_up: set[WindowKey]


def _read(ledger: Iterable[Entry]) -> tuple["array[int]", _Owed]:
    digests = array("Q")
    sums: dict[WindowKey, list[int]] = defaultdict(lambda: [0] * len(MEASURES))
    rows: dict[tuple[str, str], tuple[int, WindowKey, Figures]] = {}
    given_up: set[WindowKey] = set()
    for entry in ledger:
        digests.append(entry.digest)
        if entry.row:
            known = rows.get((entry.topic, entry.row))
            # Acks of a partition come in its order: what does not say where it stands is behind the one before.
            if known is None or entry.offset == UNTOLD or entry.offset > known[0]:
                key = (entry.campaign, "reported", entry.window, entry.start_ms)
                rows[entry.topic, entry.row] = (entry.offset, key, entry.measures)
        elif entry.counts:
            for window, start_ms in windows_of(entry.zone, entry.at_ms):
                key = (entry.campaign, "counted", window, start_ms)
                # The first window of a UTC day that is given up takes with it those of its day that have nothing yet.
                if entry.received_ms > start_ms - start_ms % DAY_MS + LENGTH_MS[window] + KEPT_MS[window]:
                    given_up.add(key)
                row = sums[key]
                for index, n in enumerate(entry.measures):
                    row[index] += n
    figures = {key: tuple(row) for key, row in sums.items()}
    for _, key, measures in rows.values():
        figures[key] = tuple(a + b for a, b in zip(figures.get(key, NOTHING), measures, strict=True))
    return digests, _Owed(figures, given_up)


def windows_of(zone: str, at_ms: int) -> tuple[tuple[str, int], ...]:
    """(window, its start) of every window that holds the instant, by the calendar of the zone."""
    hour_ms, day_ms = _calendar(zone, at_ms // MINUTE_MS)
    return (
        ("1m", at_ms - at_ms % MINUTE_MS),
        ("5m", at_ms - at_ms % (5 * MINUTE_MS)),
        ("1h", hour_ms),
        ("1d", day_ms),
    )


@lru_cache(1 << 16)
def _calendar(zone: str, minute: int) -> tuple[int, int]:
    """Where the clock of the zone showed the beginning of this hour, and of this day, for the first time."""
    info = ZoneInfo(zone)
    local = datetime.fromtimestamp(minute * 60, info)
    hour = datetime(local.year, local.month, local.day, local.hour, tzinfo=info)
    day = datetime(local.year, local.month, local.day, tzinfo=info)
    return int(hour.timestamp()) * 1000, int(day.timestamp()) * 1000


def _records(ledger: Iterable[Entry], sent: Ids, stored: Stored) -> tuple[Damage, Damage]:
    """A record is its bytes: so many were acknowledged, so many must be there."""
    found = array("Q", (row[3] for row in stored.raw()))
    wanted, wanted_times = np.unique(sent, return_counts=True)
    there, there_times = np.unique(np.frombuffer(found, dtype=np.uint64), return_counts=True)
    missing = _surplus(wanted, wanted_times, there, there_times)
    surplus = _surplus(there, there_times, wanted, wanted_times)
    if not missing and not surplus:
        return Damage(), Damage()
    names = {entry.digest: entry.event_id for entry in ledger if entry.digest in missing or entry.digest in surplus}
    places: dict[int, list[str]] = defaultdict(list)
    for topic, partition, offset, digest in stored.raw():
        if digest in surplus:
            places[digest].append(f"{topic}/{partition}/{offset}")
    twice = [
        f"{names.get(digest, 'nobody sent what is')} at {', '.join(sorted(places[digest]))}"
        for digest in list(surplus)[:SHOWN]
    ]
    lost = [names[digest] for digest in list(missing)[:SHOWN]]
    return Damage(sum(missing.values()), tuple(lost)), Damage(sum(surplus.values()), tuple(twice))


def _surplus(more: Ids, more_times: Any, less: Ids, less_times: Any) -> dict[int, int]:
    """What is in `more` oftener than in `less`, and how much oftener. Both sorted."""
    if not len(more):
        return {}
    times = np.zeros(len(more), dtype=np.int64)
    if len(less):
        at = np.minimum(np.searchsorted(less, more), len(less) - 1)
        times = np.where(less[at] == more, less_times[at], 0)
    beyond = more_times - times
    return {int(more[index]): int(beyond[index]) for index in np.flatnonzero(beyond > 0)}


def _alerts(found: frozenset[Alert]) -> Damage:
    first = sorted(found)[:SHOWN]
    return Damage(len(found), tuple(f"{alert_id} version {version} {what}" for alert_id, version, what in first))
