"""The core does not get dearer unseen: operations per event and row, counted, stay within 5 % of what is accepted."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from pipeline.counted import CountedState
from pipeline.per_record import BUILT
from pipeline.reported import ReportedState
from pipeline.state import SourceRecord
from tests.contract import core_operations as core
from tests.contract.operations import C_CALL_WEIGHT, operations_of

# A Python nobody has taken figures on is held to those of the nearest, at a distance that no bytecode set explains.
OTHER_PYTHON = 0.5


def of_python(accepted: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    return {version: costs for version, costs in accepted.items() if version[0].isdigit()}


@pytest.fixture(scope="module")
def figures() -> dict[str, float]:
    return core.figures()


def test_accepted_are_exactly_the_figures_there_are(figures: dict[str, float]) -> None:
    for version, accepted in of_python(core.accepted()).items():
        assert set(accepted) == set(figures), f"{version}: run {core.UPDATE}"


@pytest.mark.parametrize("name", [*core.WORKS, "kept_row_bytes"])
def test_the_core_costs_what_is_accepted(figures: dict[str, float], name: str) -> None:
    if name.endswith("_in_c") and not BUILT:
        assert figures[name] == figures[name.removesuffix("_in_c")]  # no C compiler here: it is the same
        return
    known = of_python(core.accepted())
    mine = known.get(core.python_version())
    if mine is not None:
        assert not core.complaint(name, figures[name], mine[name])
    else:
        assert figures[name] <= max(one[name] for one in known.values()) * (1 + OTHER_PYTHON), f"run {core.UPDATE}"


@pytest.mark.parametrize("seed", ["1"])
def test_every_run_counts_the_same_whatever_the_hash_seed(figures: dict[str, float], seed: str) -> None:
    program = "import json; from tests.contract import core_operations as core; print(json.dumps(core.figures()))"
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    again = json.loads(run.stdout)
    assert {name: again[name] for name in core.WORKS} == {name: figures[name] for name in core.WORKS}
    assert again["kept_row_bytes"] == pytest.approx(figures["kept_row_bytes"], rel=0.01)


# -- it sees what it is for ----------------------------------------------------------------------------------------


class _LooksTwice(CountedState):
    """As somebody might add it: one more pass over the batch, harmless to look at."""

    def count(self, records: Sequence[SourceRecord]) -> None:
        longest = 0
        for record in records:
            longest = max(longest, len(record.value or b""))
        super().count(records)


class _ReadsTwice(ReportedState):
    def count(self, records: Sequence[SourceRecord]) -> None:
        for record in records:
            json.loads(record.value or b"")
        super().count(records)


def test_a_dearer_event_is_seen(figures: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "CountedState", _LooksTwice)
    said = core.complaint("event", core.figure(core.WORKS["event"]), figures["event"])
    assert "make it cheaper" in said
    assert core.UPDATE in said


def test_a_dearer_snapshot_row_is_seen(figures: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "ReportedState", _ReadsTwice)
    for name in ("row_changed", "row_unchanged"):
        assert "make it cheaper" in core.complaint(name, core.figure(core.WORKS[name]), figures[name])


def test_five_percent_are_let_pass_and_a_gain_is_to_be_kept() -> None:
    assert core.complaint("event", 105.0, 100.0) == ""
    assert core.complaint("event", 95.0, 100.0) == ""
    assert "make it cheaper" in core.complaint("event", 105.2, 100.0)
    assert f"now cheaper: run {core.UPDATE} to lower the bar" in core.complaint("event", 94.8, 100.0)


# -- how it counts -------------------------------------------------------------------------------------------------


def test_python_work_and_calls_into_c_are_both_counted() -> None:
    names = ["a", "b", "c"]

    def in_c() -> None:
        for name in names:
            name.upper()

    def in_python() -> None:
        for name in names:
            _ = name

    plain, calling = operations_of(in_python), operations_of(in_c)
    assert (plain.c_calls, calling.c_calls) == (0, 3)
    assert calling.opcodes > plain.opcodes > len(names)
    assert calling.weighted == calling.opcodes + 3 * C_CALL_WEIGHT


def test_what_traced_before_traces_after_also_when_the_work_fails() -> None:
    def trace(*_: object) -> None:
        return None

    def fail() -> None:
        raise ValueError("spilt")

    before = sys.gettrace(), sys.getprofile()
    sys.setprofile(trace)
    try:
        with pytest.raises(ValueError, match="spilt"):
            operations_of(fail)
        assert sys.getprofile() is trace
        assert sys.gettrace() is before[0]
    finally:
        sys.setprofile(before[1])
