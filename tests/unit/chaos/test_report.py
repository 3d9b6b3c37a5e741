"""A report passes only when nothing at all is wrong, and says in words what is."""

from dataclasses import replace
from typing import Any

import orjson

from tests.chaos.lag_watch import Recovery, longest_standstill_s, recoveries
from tests.chaos.latency import latency
from tests.chaos.ledger import Entry
from tests.chaos.oracle import Damage, Findings
from tests.chaos.report import Report
from tests.chaos.topic_reading import Record
from tests.chaos.world import Fault, Sample

CLEAN = Findings(10, 4, 0, Damage(), Damage(), Damage(), Damage(), 0, 0, 2, Damage(), Damage())
VERIFIED = {"ok": True, "lost": 0, "duplicated": 0, "drift_micros": 0}
PASSED = Report(
    ("F1",), ("Kills.",), full=False, seed=1, seconds=9.5, sent=10, faults=2, findings=CLEAN, verified=VERIFIED
)


def test_a_clean_run_passes_and_says_so() -> None:
    assert PASSED.ok
    assert PASSED.words().endswith("passed")
    assert "lost 0, duplicated 0, drift 0 micros in 4 windows, alert difference 0 of 2" in PASSED.words()


def test_damage_is_a_verdict_with_its_names() -> None:
    report = replace(PASSED, findings=replace(CLEAN, lost=Damage(1, ("e2",)), drift_micros=7))
    assert not report.ok
    assert report.verdicts == [
        "1 acknowledged records are lost: e2",
        "drift: 7 micros of spend, 0 of other figures",
    ]
    assert "FAILED\n  - 1 acknowledged records are lost: e2" in report.words()


def test_every_kind_of_damage_fails_the_run() -> None:
    damages = ("lost", "duplicated", "too_low", "too_high", "alerts_missing", "alerts_extra")
    kinds: dict[str, Any] = {**dict.fromkeys(damages, Damage(1, ("x",))), "drift_micros": 1, "drift_other": 1}
    for name, damage in kinds.items():
        assert not replace(PASSED, findings=replace(CLEAN, **{name: damage})).ok, name


def test_a_recount_that_disagrees_fails_the_run_although_the_oracle_is_content() -> None:
    report = replace(PASSED, verified={**VERIFIED, "ok": False, "drift_micros": 3})
    assert report.verdicts == ["pulse verify disagrees: lost 0, duplicated 0, drift_micros 3"]


def test_what_a_scenario_says_fails_the_run() -> None:
    assert not replace(PASSED, wrong=("F1: worker-1 was never killed",)).ok


def test_a_run_nobody_could_judge_has_not_passed() -> None:
    assert not replace(PASSED, findings=None).ok


def test_the_report_is_json() -> None:
    again = orjson.loads(orjson.dumps(PASSED.as_dict()))
    assert (again["ok"], again["verdicts"], again["findings"]["lost"]["count"]) == (True, [], 0)


def test_recovery_counts_from_the_end_of_a_fault_and_ends_with_the_next() -> None:
    faults = [Fault("a", 10, 12), Fault("b", 20, 21), Fault("c", 30, 31)]
    samples = [Sample(11, 0, 10), Sample(13, 0, 5_000), Sample(15, 0, 900), Sample(22, 0, 5_000), Sample(33.5, 0, 0)]
    assert recoveries(faults, samples, per_s=500) == [Recovery("a", 3), Recovery("b", None), Recovery("c", 2.5)]
    assert recoveries(faults[1:2], samples, per_s=6_000) == [Recovery("b", 1)]


def test_standstill_is_time_without_progress_while_something_waits() -> None:
    samples = [Sample(0, 5, 0), Sample(9, 5, 0), Sample(10, 5, 3), Sample(14, 5, 8), Sample(15, 9, 4), Sample(17, 9, 4)]
    assert longest_standstill_s(samples) == 5.0


def entry(offset: int, sent_ms: int, campaign: str = "meta:1:7") -> Entry:
    return Entry("e", "raw.events.v1", 0, offset, 0, sent_ms, campaign, 0, 0, "UTC", True, "", "", 0, (0,) * 5)


def total(offset: int, at_ms: int) -> Record:
    body = {"campaign_key": "meta:1:7", "source_offset": offset}
    return Record(0, at_ms, b"meta:1:7|||counted|1d|0", orjson.dumps(body))


def test_latency_is_to_the_first_total_that_contains_the_event() -> None:
    ledger = [entry(0, 1_000), entry(1, 1_010), entry(2, 1_500), entry(9, 1_600), entry(0, 1_000, "meta:1:8")]
    found = latency(ledger, [total(1, 1_100), total(5, 1_900), total(1, 2_000)], sent=5)
    assert (found.probes, found.unseen) == (5, 2)
    assert (found.p50_ms, found.max_ms) == (100.0, 400.0)
