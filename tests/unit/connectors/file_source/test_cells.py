"""Cells to values without rounding."""

from decimal import Decimal
from typing import Any

import pytest

from connectors.file_source.cells import READINGS, Reading


@pytest.mark.parametrize(
    ("reading", "cell", "zone", "value"),
    [
        ("text", 17, None, "17"),
        ("integer", " 17 ", None, 17),
        ("integer", "1e3", None, 1000),
        ("integer", Decimal("2.0"), None, 2),
        ("decimal_micros", "12.34", None, 12_340_000),
        ("decimal_micros", Decimal("0.000001"), None, 1),
        ("decimal_micros", "999999999.999999", None, 999_999_999_999_999),
        ("instant", "2019-11-24 00:03:13.442536+00:00", None, 1_574_553_793_442),
        ("instant", "2019-11-24T00:03:13", "Asia/Tokyo", 1_574_521_393_000),
        ("unix_s", "1574553793.442536", None, 1_574_553_793_442),
        ("unix_ms", 1_574_553_793_442, None, 1_574_553_793_442),
        ("unix_us", "1574553793442999", None, 1_574_553_793_442),
    ],
)
def test_a_cell_is_read_exactly(reading: Reading, cell: Any, zone: str | None, value: Any) -> None:
    assert READINGS[reading](cell, zone) == value


@pytest.mark.parametrize(
    ("reading", "cell", "zone"),
    [
        ("integer", "1.5", None),
        ("integer", "", None),
        ("integer", "NaN", None),
        ("integer", True, None),
        ("integer", "1e30", None),
        ("integer", "1e999999999", None),
        ("integer", "1.00000000000000000000000000000000000001", None),
        ("decimal_micros", "0.0000001", None),
        ("decimal_micros", "1,5", None),
        ("unix_s", "1e999999", None),
        ("unix_us", "Infinity", None),
        ("instant", "2019-11-24T00:03:13", None),
        ("instant", "2019-11-24T00:03:13", "Mars/Base"),
        ("instant", "24.11.2019", "UTC"),
    ],
)
def test_a_cell_that_is_not_exactly_a_value_is_refused(reading: Reading, cell: Any, zone: str | None) -> None:
    with pytest.raises(ValueError, match=r"."):
        READINGS[reading](cell, zone)
