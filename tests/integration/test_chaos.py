"""Short forms of the fault scenarios over real systems; the full forms are `pulse chaos run F1 --full`.

Several share a system where none needs anything special of it: they run in a row, and the oracle looks once.
"""

from pathlib import Path

import pytest

from tests.chaos.registry import SCENARIOS
from tests.chaos.run import run

BY_CODE = {scenario.code: scenario for scenario in SCENARIOS}
# F30 is always the last of its row: it damages what is stored.
ROWS = (("F1",), ("F4", "F5", "F16", "F30"), ("F6", "F7"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("codes", ROWS, ids="-".join)
def test_nothing_is_lost_doubled_or_different_whatever_happens(codes: tuple[str, ...], tmp_path: Path) -> None:
    report = run([BY_CODE[code] for code in codes], directory=tmp_path)
    assert report.ok, report.words()
    assert report.findings is not None
    assert report.findings.sent > 10_000, "too small a load to prove anything"
    assert report.findings.alerts > 5, "too few alerts to compare"
    assert report.faults
