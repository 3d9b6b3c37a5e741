"""The proof: totals counted again in SQL from the stored raw records, and compared one by one with the stored totals.

Nothing here uses the pipeline: what the pipeline reads, parses and adds, ClickHouse reads, parses and adds again.
A live system lags: what moves between two looks is in flight; what stays different is a difference.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from clickhouse_connect.driver.client import Client

from connectors.clickhouse import recount_counted, recount_reported
from connectors.clickhouse.client import connected, rows
from connectors.settings import Settings
from schemas.measures import MEASURES, SPEND
from schemas.topics import RAW_EVENTS, RAW_GOOGLE_ADS
from schemas.window import Basis

ANSWER_S = 600
LOOK_S = 3.0  # between two looks: longer than a record takes from the raw topic to its stored total
SHOWN = 20
KEPT = 100_000  # differing totals that are compared between looks
_OPTIONS = {
    "max_bytes_before_external_group_by": 500_000_000,
    "max_bytes_before_external_sort": 500_000_000,
    "join_use_nulls": 0,
    "allow_experimental_analyzer": 1,
    "short_circuit_function_evaluation": "enable",
}
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
    since_ms = _kept_since_ms(client, settings)
    say("checking that every stored range is whole")
    _check_records(client, settings, look)
    say(f"counting {look.raw_records} records again")
    for basis, sql, topic in _recounts(client, settings):
        _compare(client, look, basis, sql, topic, since_ms)
    return look


def _recounts(client: Client, settings: Settings) -> Iterator[tuple[Basis, str, str]]:
    horizon_h = settings.worker.dedupe_horizon_h
    scope = _ask(client, recount_counted.SCOPE, topic=RAW_EVENTS)[0]
    repeats = scope["span_h"] > horizon_h
    zones = _known_zones(client, scope["zones"])
    yield Basis.COUNTED, recount_counted.expected(zones, repeats=repeats, horizon_h=horizon_h), RAW_EVENTS
    scope = _ask(client, recount_reported.SCOPE, topic=RAW_GOOGLE_ADS)[0]
    zones = _known_zones(client, [*scope["rows_zones"], *scope["run_zones"]])
    yield Basis.REPORTED, recount_reported.expected(zones), RAW_GOOGLE_ADS


def _known_zones(client: Client, named: Sequence[str]) -> list[str]:
    sql = "SELECT time_zone FROM system.time_zones WHERE time_zone IN {names:Array(String)} ORDER BY time_zone"
    return [row["time_zone"] for row in _ask(client, sql, names=[*named, "UTC"])]


_COMPARE = """
WITH sides AS
(
    SELECT
        campaign_key, ad_group_id, ad_id, window, start_s,
        figures AS expected, CAST([], 'Array(Int64)') AS found, comparable
    FROM (SELECT campaign_key, ad_group_id, {ad} AS ad_id, window, start_s, figures, comparable FROM ({expected}))
    UNION ALL
    SELECT
        campaign_key, ad_group_id, ad_id, window, intDiv(toUnixTimestamp64Milli(start), 1000) AS start_s,
        CAST([], 'Array(Int64)') AS expected, [{measures}] AS found, 1 AS comparable
    FROM
    (
        SELECT * FROM totals FINAL WHERE basis = {{basis:String}}
        UNION ALL
        SELECT * FROM creative_totals FINAL WHERE basis = {{basis:String}}
    )
),
pairs AS
(
    SELECT
        concat(campaign_key, '|', ad_group_id, '|', ad_id, '|', {{basis:String}}, '|', window, '|', toString(start_s))
            AS total_id,
        max(s.expected) AS expected,
        max(s.found) AS found,
        min(comparable) AS comparable,
        start_s * 1000 >= {{since_ms:Int64}} AS kept
    FROM sides AS s
    GROUP BY campaign_key, ad_group_id, ad_id, window, start_s
)
SELECT
    countIf(comparable AND ({usable})) AS checked,
    countIf(NOT comparable) AS not_comparable,
    groupArraySortedIf({kept})(
        (total_id, expected, found),
        comparable AND ({usable}) AND expected != found AND NOT (empty(expected) AND arrayAll(f -> f = 0, found))
    ) AS differing
FROM pairs
"""


def _compare(client: Client, look: _Look, basis: Basis, sql: str, topic: str, since_ms: int) -> None:
    """Raw records that retention has taken cannot be counted: of those days only what is still known is compared."""
    counted = basis == Basis.COUNTED
    usable = "kept" if counted else "kept OR notEmpty(expected)"
    query = _COMPARE.format(
        expected=sql,
        ad="ad" if counted else "ad_id",
        measures=", ".join(MEASURES),
        usable=usable,
        kept=KEPT,
    )
    found = _ask(client, query, topic=topic, basis=str(basis), since_ms=since_ms)[0]
    look.checked += found["checked"]
    look.not_comparable += found["not_comparable"]
    for total_id, expected, stored in found["differing"]:
        look.differing.append(_Differing(total_id, tuple(expected), tuple(stored)))


_RANGES = """
WITH recent AS
(
    SELECT topic, partition, min(first_offset) AS first, max(last_offset) AS last, sum(rows) AS written
    FROM sink_blocks FINAL
    WHERE topic IN {topics:Array(String)} AND written_at > now() - INTERVAL {days:UInt32} DAY
    GROUP BY topic, partition
)
SELECT
    topic, partition, written,
    countIf(offset BETWEEN first AND last) AS present
FROM recent LEFT JOIN (SELECT topic, partition, offset FROM raw_records FINAL) AS raw USING (topic, partition)
GROUP BY topic, partition, written
"""
_GAPS = """
SELECT sum(greatest(0, toInt64(first_offset) - before - 1)) AS missing, sum(records) AS stored
FROM
(
    SELECT
        first_offset,
        rows + refused AS records,
        max(toInt64(last_offset)) OVER (PARTITION BY topic, topic_id, partition ORDER BY first_offset
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS highest,
        if(row_number() OVER (PARTITION BY topic, topic_id, partition ORDER BY first_offset) = 1,
            toInt64(first_offset) - 1, highest) AS before
    FROM sink_blocks FINAL
)
"""


def _check_records(client: Client, settings: Settings, look: _Look) -> None:
    """Every range has the rows it says, and the ranges of a partition follow one another without a gap."""
    days = max(1, settings.clickhouse.raw_retention_days - 1)
    for row in _ask(client, _RANGES, topics=[RAW_EVENTS, RAW_GOOGLE_ADS], days=days):
        look.raw_records += row["present"]
        look.missing += max(0, row["written"] - row["present"])
        look.surplus += max(0, row["present"] - row["written"])
    gaps = _ask(client, _GAPS)[0]
    look.missing += int(gaps["missing"])
    look.stored = int(gaps["stored"])


_KEPT = """
SELECT
    (SELECT count() FROM sink_blocks WHERE topic IN {topics:Array(String)}
        AND written_at <= now() - INTERVAL {days:UInt32} DAY) AS old,
    (SELECT toUnixTimestamp64Milli(max(oldest)) FROM
        (SELECT min(timestamp) AS oldest FROM raw_records GROUP BY topic, partition)) AS oldest_ms
"""


def _kept_since_ms(client: Client, settings: Settings) -> int:
    """From which event time on every raw record is still there; 0 while retention has taken none."""
    days = max(1, settings.clickhouse.raw_retention_days - 1)
    row = _ask(client, _KEPT, topics=[RAW_EVENTS, RAW_GOOGLE_ADS], days=days)[0]
    return int(row["oldest_ms"]) + 86_400_000 if row["old"] else 0  # events may be dated a day ahead


def _ask(client: Client, sql: str, **parameters: Any) -> list[dict[str, Any]]:
    return rows(client, sql, parameters, _OPTIONS)
