"""The proof: totals counted again in SQL from the stored raw records, and compared one by one with the stored totals.

Nothing here uses the pipeline: what the pipeline reads, parses and adds, ClickHouse reads, parses and adds again.
A live system lags: what moves between two looks is in flight; what stays different is a difference.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from clickhouse_connect.driver.client import Client

from connectors.clickhouse.client import connected
from connectors.clickhouse.recount import ask, comparisons
from connectors.settings import Settings
from schemas.measures import MEASURES, SPEND
from schemas.topics import RAW_EVENTS, RAW_GOOGLE_ADS

ANSWER_S = 600
LOOK_S = 3.0  # between two looks: longer than a record takes from the raw topic to its stored total
SHOWN = 20
DAY_MS = 86_400_000
_RAW = [RAW_EVENTS, RAW_GOOGLE_ADS]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of one total. `expected` null: nothing stored calls for this total; `found` null: it is missing."""

    total_id: str
    measure: str
    expected: int | None
    found: int | None


@dataclass(frozen=True, slots=True)
class _Differing:
    """`expected` and `found` in the order of `MEASURES`; empty where there is no such total."""

    total_id: str
    expected: tuple[int, ...]
    found: tuple[int, ...]

    @property
    def below(self) -> bool:
        return not self.found or any(f < e for e, f in zip(self.expected, self.found, strict=False))

    @property
    def above(self) -> bool:
        return not self.expected or any(f > e for e, f in zip(self.expected, self.found, strict=False))

    @property
    def drift_micros(self) -> int:
        return abs((self.found[SPEND] if self.found else 0) - (self.expected[SPEND] if self.expected else 0))

    def measures(self) -> list[Difference]:
        """Those that differ; of a missing or uncalled-for total those that are not zero, one at least."""
        each = [
            Difference(
                self.total_id,
                measure,
                self.expected[index] if self.expected else None,
                self.found[index] if self.found else None,
            )
            for index, measure in enumerate(MEASURES)
        ]
        return [one for one in each if (one.expected or 0) != (one.found or 0)] or each[:1]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`lost`: totals that are missing or too low, and raw records that are missing; `duplicated`: totals too high or
    uncalled for. `not_comparable`: windows of which an event came after the window may have been given up."""

    checked: int
    lost: int
    duplicated: int
    drift_micros: int
    in_flight: int
    raw_records: int
    records_missing: int
    not_comparable: int
    differences: tuple[Difference, ...] = field(default=())

    @property
    def ok(self) -> bool:
        return not (self.lost or self.duplicated or self.drift_micros or self.differences)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "differences": [asdict(each) for each in self.differences], "ok": self.ok}


@dataclass(slots=True)
class _Look:
    """`stored`: how many records the sink had stored: the same in two looks means that everything is at rest."""

    checked: int = 0
    not_comparable: int = 0
    differing: list[_Differing] = field(default_factory=list)
    raw_records: int = 0
    missing: int = 0
    surplus: int = 0
    stored: int = 0


def verify(settings: Settings, *, wait_s: float = 0.0, say: Say = lambda _line: None) -> Verdict:
    """Compares every total. While some differ it looks again, until `wait_s` is over or everything is at rest.

    Reads only. Raises as `connected`.
    """
    end_s = time.monotonic() + wait_s
    with connected(settings, answer_s=ANSWER_S) as client:
        before: _Look | None = None
        look = _look(client, settings, say)
        while look.differing or look.missing:
            at_rest = before is not None and before.stored == look.stored
            if at_rest or time.monotonic() + LOOK_S > end_s:
                break
            say(f"{len(look.differing)} totals differ; looking again in {LOOK_S:g} s")
            time.sleep(LOOK_S)
            before, look = look, _look(client, settings, say)
    return _verdict(look, before)


def _verdict(look: _Look, before: _Look | None) -> Verdict:
    stays = None if before is None else set(before.differing)
    real = [each for each in look.differing if stays is None or each in stays]
    shown = [difference for each in real for difference in each.measures()]
    return Verdict(
        checked=look.checked,
        lost=sum(each.below for each in real) + look.missing,
        duplicated=sum(each.above for each in real) + look.surplus,
        drift_micros=sum(each.drift_micros for each in real),
        in_flight=len(look.differing) - len(real),
        raw_records=look.raw_records,
        records_missing=look.missing,
        not_comparable=look.not_comparable,
        differences=tuple(shown[:SHOWN]),
    )


def _look(client: Client, settings: Settings, say: Say) -> _Look:
    look = _Look()
    say("checking that every stored range is whole")
    _check_records(client, settings, look)
    say(f"counting {look.raw_records:,} records again")
    since_ms = _kept_since_ms(client, settings)
    for found in comparisons(client, horizon_h=settings.worker.dedupe_horizon_h, since_ms=since_ms):
        look.checked += found["checked"]
        look.not_comparable += found["not_comparable"]
        for total_id, expected, stored in found["differing"]:
            look.differing.append(_Differing(total_id, tuple(expected), tuple(stored)))
    return look


def _check_records(client: Client, settings: Settings, look: _Look) -> None:
    """Every range has the rows it says, and the ranges of a partition follow one another without a gap."""
    for row in ask(client, "ranges", {"topics": _RAW, "days": _kept_days(settings)}):
        look.raw_records += row["present"]
        look.missing += max(0, row["written"] - row["present"])
        look.surplus += max(0, row["present"] - row["written"])
    gaps = ask(client, "gaps", {})[0]
    look.missing += int(gaps["missing"])
    look.stored = int(gaps["stored"])


def _kept_since_ms(client: Client, settings: Settings) -> int:
    """From which event time on every raw record is still there; 0 while retention has taken none."""
    row = ask(client, "kept", {"topics": _RAW, "days": _kept_days(settings)})[0]
    return int(row["oldest_ms"]) + DAY_MS if row["old"] else 0  # events may be dated a day ahead


def _kept_days(settings: Settings) -> int:
    return max(1, settings.clickhouse.raw_retention_days - 1)
