"""What a ClickHouse table is made of: columns with their types and what fills them.

A column's `source` is a field of the topic's contract (`evidence.numerator` inside another), a part of the Kafka
record (`@offset`), or the server (`@server`). `_ms` fields become `DateTime64(3, 'UTC')` columns without the
suffix; amounts stay whole micros, named as in the contract.
"""

from dataclasses import dataclass
from typing import Literal

from schemas.window import Level

INSTANT = "DateTime64(3, 'UTC')"
NAME = "LowCardinality(String)"
TEXT = "String"
INT = "Int64"
PLACE = "UInt64"  # offsets and versions
BOOL = "Bool"
FLOAT = "Float64"
DATE = "Date32"
MAYBE_INT, MAYBE_FLOAT, MAYBE_TEXT = "Nullable(Int64)", "Nullable(Float64)", "Nullable(String)"
MAYBE_INSTANT = "Nullable(DateTime64(3, 'UTC'))"
SERVER = "@server"

Retention = Literal["raw", "totals", "kept"]  # by time of arrival: event time may be long ago or, in a demo, ahead


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    source: str

    @property
    def inserted(self) -> bool:
        return self.source != SERVER


@dataclass(frozen=True, slots=True)
class Table:
    """`version`: the column by which the newest of equal keys is known; "" where copies are identical.

    `level`: of the totals topic only totals of this level; `newest_by`: the field that names a row, where of one
    block only its newest copy need be stored; "" where every copy counts.
    """

    name: str
    columns: tuple[Column, ...]
    order_by: tuple[str, ...]
    version: str = ""
    partition_by: str = ""
    retention: Retention = "kept"
    level: Level | None = None
    newest_by: str = ""

    @property
    def inserted(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.inserted)


def named(type_: str, *names: str) -> tuple[Column, ...]:
    return tuple(Column(name, type_, name) for name in names)


def instants(*names: str, type_: str = INSTANT) -> tuple[Column, ...]:
    return tuple(Column(name, type_, f"{name}_ms") for name in names)


def place(prefix: str) -> tuple[Column, ...]:
    """Where the row's own record lies, so that loss and repeats can be shown in SQL."""
    return (Column(f"{prefix}_partition", "UInt32", "@partition"), Column(f"{prefix}_offset", PLACE, "@offset"))
