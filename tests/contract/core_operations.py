"""What the core does per event, per row and per flush, against what is accepted in `core_operations.json`.

usage: make operations     accept the figures of this tree, printing old and new

Every figure is bytecodes + 10 x calls into C, by `tests.contract.operations`, per unit, over fixed records; those
that end with `_bytes` are what stays allocated per unit, and what C does is counted by `tests.contract.c_operations`.
"""

import gc
import json
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pipeline.changelog import HEADER, Changelog
from pipeline.counted import CountedState
from pipeline.per_record import BUILT
from pipeline.reported import ReportedState
from schemas.topics import RAW_EVENTS, RAW_GOOGLE_ADS
from tests.bench.events import START_MS, events
from tests.contract import c_operations
from tests.contract.operations import operations_of
from tests.google_rows import ACCOUNT, GoogleRows
from tests.partition import Rec

ACCEPTED = Path(__file__).with_name("core_operations.json")
UPDATE = "make operations"
TOLERANCE = 0.05
EVENTS, CAMPAIGNS, ROWS = 2_000, 50, 300
DATE, FETCHED_MS = "2026-11-20", 1_795_176_000_000


class Work(NamedTuple):
    """`run` once is `units` units of work; a second run of the same object would find other state."""

    run: Callable[[], object]
    units: int


# -- increments ----------------------------------------------------------------------------------------------------


def _events(count: int, campaigns: int, *, first: int = 0, seed: int = 1) -> list[Rec]:
    """Records of 50 seconds in two minutes, from offset `first`."""
    found = enumerate(events(count, campaigns=campaigns, seed=seed, spread_s=50))
    return [Rec(first + n, START_MS + n * 50_000 // count, key, value) for n, (key, value) in found]


def _counted(*batches: list[Rec]) -> CountedState:
    state = CountedState(RAW_EVENTS, 0, in_c=False)
    for batch in batches:
        state.count(batch)
        state.take()
    return state


def _event(*, in_c: bool = False) -> Work:
    """Campaign, ad and minute are known: what a busy stream is made of."""
    first = _events(EVENTS, CAMPAIGNS)
    state = CountedState(RAW_EVENTS, 0, in_c=in_c)
    state.count(first)
    batch = _events(EVENTS, CAMPAIGNS, first=EVENTS, seed=2)
    return Work(lambda: state.count(batch), EVENTS)


def _event_in_c() -> Work:
    """The same where C counts: what is left for Python. What C itself does is not in it."""
    return _event(in_c=BUILT)


def _event_new_row(*, in_c: bool = False) -> Work:
    """Nearly every event is the first of its campaign."""
    state, batch = CountedState(RAW_EVENTS, 0, in_c=in_c), _events(EVENTS, 50 * EVENTS)
    return Work(lambda: state.count(batch), EVENTS)


def _event_new_row_in_c() -> Work:
    """The same where C counts: what is left for Python."""
    return _event_new_row(in_c=BUILT)


def _event_repeated() -> Work:
    first = _events(EVENTS, CAMPAIGNS)
    again = [Rec(EVENTS + record.offset, record.timestamp, record.key, record.value) for record in first]
    state = _counted(first)
    return Work(lambda: state.count(again), EVENTS)


def _event_refused() -> Work:
    """One poisoned event in its usual form: a field of the wrong kind."""
    bad = [
        Rec(EVENTS + record.offset, record.timestamp, record.key, (record.value or b"").replace(b'"EUR"', b"978"))
        for record in _events(ROWS, CAMPAIGNS)
    ]
    state = _counted(_events(EVENTS, CAMPAIGNS))
    return Work(lambda: state.count(bad), ROWS)


def _flush_row() -> Work:
    """Everything between counting and the bytes of totals and changelog; a unit is a changelog row."""
    state, twin = CountedState(RAW_EVENTS, 0, in_c=False), CountedState(RAW_EVENTS, 0, in_c=False)
    for one in (state, twin):
        one.count(_events(EVENTS, CAMPAIGNS))
    changelog = Changelog(b"assignment", in_c=False)
    return Work(lambda: changelog.write(state.take().rows), len(twin.take().rows))


def _window_ended() -> Work:
    """Time passes over the end of every small window: a unit is a window that becomes final."""
    state = _counted(_events(EVENTS, CAMPAIGNS))
    windows = sum(key[2] == "1m" for key in state.windows.rows)
    tick = [Rec(EVENTS, START_MS + 120_000, None, None)]

    def pass_time() -> None:
        state.count(tick)
        state.take()

    return Work(pass_time, windows)


def _restored_row() -> Work:
    """From the bytes of the changelog to rows in memory."""
    state = CountedState(RAW_EVENTS, 0, in_c=False)
    state.count(_events(EVENTS, CAMPAIGNS))
    log = [Rec(0, 0, key, value) for key, value in Changelog(b"before", in_c=False).write(state.take().rows)]

    def restore() -> None:
        changelog, fresh = Changelog(b"after", in_c=False), CountedState(RAW_EVENTS, 0, in_c=False)
        changelog.read(log)
        rows = changelog.rows()
        header = rows.pop(HEADER)
        fresh.load([(HEADER, header), *rows.items()], counted_to=header[2])

    return Work(restore, len(log))


# -- snapshots -----------------------------------------------------------------------------------------------------


def _snapshots(*, fetched_ms: int, spend_micros: int, first: int) -> list[Rec]:
    rows = GoogleRows(partitions=1)
    for number in range(ROWS):
        rows.day(f"7{number:05d}", DATE, at_ms=fetched_ms, spend_micros=spend_micros + number)
    found = rows.take()
    return [Rec(first + n, message.timestamp, message.key, message.value) for n, message in enumerate(found)]


def _reported(spend_micros: int, *, in_c: bool = False) -> Work:
    """A second read of the same campaign days; their spend is now `spend_micros` and more."""
    state = ReportedState(RAW_GOOGLE_ADS, 0, project_of=lambda _, __: ACCOUNT, in_c=in_c)
    state.count(_snapshots(fetched_ms=FETCHED_MS, spend_micros=5_000_000, first=0))
    changelog = Changelog(b"assignment", in_c=False)
    changelog.write(state.take().rows)
    batch = _snapshots(fetched_ms=FETCHED_MS + 600_000, spend_micros=spend_micros, first=ROWS)

    def count_and_flush() -> None:
        state.count(batch)
        changelog.write(state.take().rows)

    return Work(count_and_flush, ROWS)


def _row_changed() -> Work:
    return _reported(6_000_000)


def _row_changed_in_c() -> Work:
    """The same where C counts: what is left for Python."""
    return _reported(6_000_000, in_c=BUILT)


def _row_unchanged() -> Work:
    return _reported(5_000_000)


def _row_unchanged_in_c() -> Work:
    return _reported(5_000_000, in_c=BUILT)


WORKS: dict[str, Callable[[], Work]] = {
    "event": _event,
    "event_in_c": _event_in_c,
    "event_new_row": _event_new_row,
    "event_new_row_in_c": _event_new_row_in_c,
    "event_repeated": _event_repeated,
    "event_refused": _event_refused,
    "flush_row": _flush_row,
    "window_ended": _window_ended,
    "restored_row": _restored_row,
    "row_changed": _row_changed,
    "row_changed_in_c": _row_changed_in_c,
    "row_unchanged": _row_unchanged,
    "row_unchanged_in_c": _row_unchanged_in_c,
}


# -- figures -------------------------------------------------------------------------------------------------------


def figure(make: Callable[[], Work]) -> float:
    """Weighted operations per unit."""
    make().run()  # caches that every process fills once
    work = make()
    return round(operations_of(work.run).weighted / work.units, 2)


def kept_row_bytes() -> float:
    """Of a live counted row with its share of campaigns and event ids."""
    batch = _events(EVENTS, 50 * EVENTS)
    _counted(batch)
    gc.collect()
    tracemalloc.start()
    try:
        state = _counted(batch)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return round(kept / len(state.windows.rows))


def figures() -> dict[str, float]:
    return {**{name: figure(make) for name, make in WORKS.items()}, "kept_row_bytes": kept_row_bytes()}


def python_version() -> str:
    """Bytecodes differ between minor versions of Python, so every one has figures of its own."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def accepted() -> dict[str, dict[str, float]]:
    """Python version, or compiler -> name -> operations per unit."""
    if not ACCEPTED.exists():
        return {}
    found: dict[str, dict[str, float]] = json.loads(ACCEPTED.read_text(encoding="utf-8"))
    return found


def complaint(name: str, new: float, old: float) -> str:
    """ "" when `new` is within 5 % of `old`, else what to do."""
    change = f"{name}: {new:.1f} per unit, accepted are {old:.1f} ({new / old - 1:+.1%})"
    if new > old * (1 + TOLERANCE):
        return f"{change}; make it cheaper, or accept that it is dearer: {UPDATE}"
    if new < old * (1 - TOLERANCE):
        return f"{change}, now cheaper: run {UPDATE} to lower the bar"
    return ""


def main() -> None:
    known = accepted()
    for what, new in ((python_version(), figures()), (c_operations.compiler(), c_operations.figures())):
        old = known.get(what, {})
        for name, cost in new.items():
            before = f"{old[name]:10.2f} -> " if name in old else f"{'new':>10} -> "
            change = f" ({cost / old[name] - 1:+.1%})" if name in old else ""
            sys.stdout.write(f"{name:20}{before}{cost:10.2f}{change}\n")
        if new:
            known[what] = new
    ACCEPTED.write_text(json.dumps(dict(sorted(known.items())), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
