"""Records to columns as Arrow lays them out, in C and without an object for each value: a tenth of the time.

Says of records the same as `pipeline.rows`, or nothing: then that one has to look at them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pipeline.per_record import native
from pipeline.rows import MAX_INSTANT_MS, MAX_INT, QUARTER_MS, Block, default_of, instant, local_day
from pipeline.state import SourceRecord
from pipeline.superseded import MINUTE_MS
from schemas.table import BOOL, DATE, INSTANT, INT, NAME, PLACE, TEXT, Table
from schemas.tables import TABLES_OF
from schemas.topics import BY_NAME, TOTALS

# kind, lowest, highest: what a column holds, as `pipeline/native.pyi` names it
_KINDS: dict[str, tuple[str, int, int]] = {
    INSTANT: ("i", 0, MAX_INSTANT_MS),
    INT: ("i", -MAX_INT - 1, MAX_INT),
    PLACE: ("i", 0, MAX_INT),
    "UInt32": ("u", 0, 2**32 - 1),
    NAME: ("n", 0, 0),
    TEXT: ("t", 0, 0),
    BOOL: ("b", 0, 1),
    DATE: ("d", 0, 0),
}
_PLACES = {"@offset": "o", "@timestamp": "t", "@key": "k", "@value": "v", "@day": "d"}
_CONSTANTS = ("@topic", "@topic_id", "@partition")


@dataclass(frozen=True, slots=True)
class Layout:
    """A column in the buffers of Arrow's format. `blank`: nothing but 0, false or ""; `valid`: None without nulls.

    With `indexes` (int32, one a row) the others are those of its dictionary, in the order in which values come first.
    """

    nulls: int
    blank: bool
    valid: bytes | None
    ends: bytes | None
    data: bytes
    indexes: bytes | None


@dataclass(frozen=True, slots=True)
class Laid:
    """`block` without columns; those of `table`, in its order, a value where all rows have the same.

    `picks`: which of its rows other tables take, as int32; None for all of them.
    """

    block: Block
    table: Table
    columns: dict[str, Layout | str | int]
    picks: dict[str, bytes | None]


def laid_out(topic: str, topic_id: str, partition: int, records: Sequence[SourceRecord]) -> Laid | None:
    """As `pipeline.rows.picked_block_of`; None where that has to be asked. `records`: one or more, in order."""
    shape = _shape(topic)
    rows = shape.native.read(records) if shape else None
    if shape is None or rows is None:
        return None
    block = Block(topic, topic_id, partition, records[0].offset, records[-1].offset)
    block.newest_ms = instant(rows.newest_ms)
    block.ticks = rows.dropped
    at = shape.numbers
    if topic == TOTALS:
        block.superseded = rows.thin_out(at["total_id"], at["as_of_ms"], MINUTE_MS, at["version"])
    block.rows = len(rows)
    first, *others = TABLES_OF[topic]
    if not block.rows:
        return Laid(block, first, {}, {})
    picks = {
        table.name: rows.newest(at["level"], table.level, at[table.newest_by], at["version"]) if table.level else None
        for table in others
    }
    constants: dict[str, str | int] = {"@topic": topic, "@topic_id": topic_id, "@partition": partition}
    columns = {
        column.name: constants[column.source] if column.source in constants else Layout(*rows.column(at[column.source]))
        for column in first.inserted
    }
    return Laid(block, first, columns, {name: indexes for name, indexes in picks.items() if indexes != b""})


def reads(topic: str) -> bool:
    """Whether records of this topic can be read here. They have to be `pipeline.native.WireRecords`."""
    return _shape(topic) is not None


@dataclass(frozen=True, slots=True)
class _Shape:
    native: Any
    numbers: dict[str, int]  # source of a column -> its number


@lru_cache
def _shape(topic: str) -> _Shape | None:
    first, *others = TABLES_OF[topic]
    if native is None or first.level or not all(_takes_rows_of(first, table) for table in others):
        return None
    told: list[Any] = []
    numbers: dict[str, int] = {}
    for source, type_ in _sources(topic, first).items():
        column = _told(topic, source, type_)
        if column is None:
            return None
        numbers[source] = len(told)
        told.append(column)
    zone, start = (numbers["zone"], numbers["start_ms"]) if "@day" in numbers else (-1, -1)
    return _Shape(native.RowShape(told, topic == TOTALS, zone, start, QUARTER_MS, local_day), numbers)


def _takes_rows_of(first: Table, table: Table) -> bool:
    return table.inserted == first.inserted and bool(table.level) == bool(table.newest_by)


def _sources(topic: str, table: Table) -> dict[str, str]:
    """Sources and types of what is read, in the order in which objects have their fields."""
    types = {column.source: column.type for column in table.inserted if column.source not in _CONSTANTS}
    if topic == TOTALS:
        types["level"] = TEXT
    model = BY_NAME[topic].model
    fields = [] if model is None else [name for name in model.model_fields if name in types]
    return {source: types[source] for source in dict.fromkeys([*fields, *types])}


def _told(topic: str, source: str, type_: str) -> Any:
    """A column as `pipeline.native` takes it; None where it cannot."""
    inner = type_.removeprefix("Nullable(")
    nullable = inner != type_
    kind = _KINDS.get(inner.removesuffix(")") if nullable else type_)
    place = _PLACES.get(source, "-")
    if kind is None or (nullable and inner.startswith(NAME)) or (place == "-" and not source.isidentifier()):
        return None
    default = default_of(BY_NAME[topic].model, source) if place == "-" else ()
    if default == (None,) and not nullable:
        return None
    return (source, kind[0], place, nullable, not default, *(default or (None,)), *kind[1:])
