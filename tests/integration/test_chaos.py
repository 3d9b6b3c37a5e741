"""Short forms of the fault scenarios over real systems; the full forms are `pulse chaos run F1 --full`.

Several share a system where none needs anything special of it: they run in a row, and the oracle looks once. The rows
run two at a time: each waits most of its time, and how fast it is, is judged in the full forms only.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.chaos.registry import SCENARIOS
from tests.chaos.report import Report
from tests.chaos.run import run

BY_CODE = {scenario.code: scenario for scenario in SCENARIOS}
# F30 is always the last of its row: it damages what is stored.
ROWS = (("F1",), ("F4", "F5", "F16", "F30"), ("F6", "F7"))
AT_ONCE = 2
Row = tuple[str, ...]


def run_row(codes: Row, directory: Path) -> Report:
    """In a process of its own."""
    return run([BY_CODE[code] for code in codes], directory=directory)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Row, Future[Report]]]:
    with ProcessPoolExecutor(AT_ONCE, mp_context=get_context("spawn")) as rows:
        yield {codes: rows.submit(run_row, codes, tmp_path_factory.mktemp("-".join(codes))) for codes in ROWS}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("codes", ROWS, ids="-".join)
def test_nothing_is_lost_doubled_or_different_whatever_happens(codes: Row, reports: dict[Row, Future[Report]]) -> None:
    report = reports[codes].result()
    assert report.ok, report.words()
    assert report.findings is not None
    assert report.findings.sent > 10_000, "too small a load to prove anything"
    assert report.findings.alerts > 5, "too few alerts to compare"
    assert report.faults
