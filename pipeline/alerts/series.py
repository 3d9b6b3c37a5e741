"""The windows of one campaign in time order, one packed column per field.

A campaign keeps 21 days of hours for its baselines: lists of Python integers would take ten times the memory.
"""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

# Measures as in schemas.measures: counts, and micros for spend, conversions and revenue. Instants are Unix ms.
START, END, VERSION, AS_OF, REVISION, IMPRESSIONS, CLICKS, SPEND, CONVERSIONS, REVENUE = range(10)
BUDGET, BUDGET_SHARED = 10, 11  # of days only; micros, -1 for none known
FIRST_MEASURE = IMPRESSIONS
HOUR_WIDTH, DAY_WIDTH = 10, 12
MAX_INT64 = 2**63 - 1


class Series:
    """`columns[FIELD][i]`; windows do not overlap and starts ascend. `local_hours[i]`: hour of the account's clock."""

    __slots__ = ("columns", "local_hours")

    def __init__(self, width: int) -> None:
        self.columns: tuple[array[int], ...] = tuple(array("q") for _ in range(width))
        self.local_hours = bytearray()

    def __len__(self) -> int:
        return len(self.columns[START])

    @property
    def newest_end_ms(self) -> int:
        """End of the last window; -1 when there is none."""
        ends = self.columns[END]
        return ends[-1] if ends else -1

    def find(self, start_ms: int) -> int | None:
        starts = self.columns[START]
        if not starts or start_ms > starts[-1]:
            return None
        index = bisect_left(starts, start_ms)
        return index if starts[index] == start_ms else None

    def first_from(self, start_ms: int) -> int:
        """Index of the first window that starts at or after this instant; the length if there is none."""
        return bisect_left(self.columns[START], start_ms)

    def insert(self, fields: Sequence[int], *, local_hour: int) -> int:
        """Returns the index of the new window. The start must not be known yet."""
        index = bisect_left(self.columns[START], fields[START])
        for column, value in zip(self.columns, fields, strict=True):
            column.insert(index, value)
        self.local_hours.insert(index, local_hour)
        return index

    def replace(self, index: int, fields: Sequence[int]) -> frozenset[int]:
        """Which columns have changed."""
        changed = []
        for number, column in enumerate(self.columns):
            if column[index] != fields[number]:
                column[index] = fields[number]
                changed.append(number)
        return frozenset(changed)

    def drop_first(self, count: int) -> None:
        for column in self.columns:
            del column[:count]
        del self.local_hours[:count]

    def dump(self) -> list[Any]:
        """Little-endian columns, as bytes."""
        return [bytes(self.local_hours), *(_little_endian(column).tobytes() for column in self.columns)]

    @classmethod
    def restore(cls, dumped: Sequence[bytes]) -> "Series":
        series = cls(len(dumped) - 1)
        series.local_hours = bytearray(dumped[0])
        series.columns = tuple(_little_endian(array("q", data)) for data in dumped[1:])
        return series


def _little_endian(column: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column
