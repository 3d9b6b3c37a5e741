"""Columns of a block as an Arrow table: the fastest way into ClickHouse from Python."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.row_layouts import Laid, Layout, laid_out
from pipeline.rows import Block, Columns, picked_block_of
from pipeline.state import SourceRecord
from schemas.table import BOOL, DATE, FLOAT, INSTANT, INT, NAME, PLACE, TEXT, Column, Table
from schemas.tables import TABLES

_BY_NAME = {table.name: table for table in TABLES}

INDEX_BYTES = 4

_ARROW: dict[str, Any] = {
    TEXT: pa.binary(),  # raw values may be any bytes
    NAME: pa.string(),
    INT: pa.int64(),
    PLACE: pa.uint64(),
    "UInt32": pa.uint32(),
    BOOL: pa.bool_(),
    FLOAT: pa.float64(),
    DATE: pa.date32(),
    INSTANT: pa.timestamp("ms", tz="UTC"),
}


def arrow_type(type_: str) -> Any:
    return _ARROW[type_.removeprefix("Nullable(").removesuffix(")") if type_.startswith("Nullable(") else type_]


def arrow_table(table: Table, columns: Columns) -> Any:
    """`columns` as `pipeline.rows` makes them: whole numbers, text or bytes, instants in ms, dates in days."""
    arrays = [pa.array(columns[column.name], type=arrow_type(column.type)) for column in table.inserted]
    return pa.Table.from_arrays(arrays, names=[column.name for column in table.inserted])


# Types whose zero ClickHouse puts into a column that an insert leaves out; where null may be, it puts null.
_LEFT_OUT = {TEXT: "", NAME: "", INT: 0, PLACE: 0, "UInt32": 0, BOOL: False}


def lean_table(table: Table, columns: Columns) -> Any:
    """As `arrow_table`, without the columns that hold nothing but their default: half of those of most totals."""
    present = [column for column in table.inserted if not _holds_nothing(column, columns[column.name])]
    arrays = [_lean_array(column, columns[column.name]) for column in present]
    return pa.Table.from_arrays(arrays, names=[column.name for column in present])


def _lean_array(column: Column, values: list[Any]) -> Any:
    """Names come with a dictionary, as ClickHouse keeps them: fewer bytes, and nothing to look up for each row."""
    array = pa.array(values, type=arrow_type(column.type))
    return array.dictionary_encode() if column.type == NAME else array


def _holds_nothing(column: Column, values: list[Any]) -> bool:
    if column.type.startswith("Nullable("):
        return values.count(None) == len(values)
    return column.type in _LEFT_OUT and not any(values)


def _arrows_of(laid: Laid) -> Iterator[tuple[Table, Any]]:
    """The rows as they were laid out, without a copy, and what of them goes into further tables."""
    if not laid.block.rows:
        return
    present = [column for column in laid.table.inserted if not _is_blank(column, laid)]
    arrays = [_array(column, laid.columns[column.name], laid.block.rows) for column in present]
    rows = pa.Table.from_arrays(arrays, names=[column.name for column in present])
    yield laid.table, rows
    for name, picked in laid.picks.items():
        yield _BY_NAME[name], rows if picked is None else _picked(rows, picked)


def _picked(rows: Any, indexes: bytes) -> Any:
    return rows if len(indexes) == INDEX_BYTES * rows.num_rows else rows.take(_indexes(indexes))


def _is_blank(column: Column, laid: Laid) -> bool:
    layout = laid.columns[column.name]
    if not isinstance(layout, Layout):
        return column.type in _LEFT_OUT and not layout
    if column.type.startswith("Nullable("):
        return layout.nulls == laid.block.rows
    return column.type in _LEFT_OUT and layout.blank


def _array(column: Column, layout: Layout | str | int, rows: int) -> Any:
    type_ = arrow_type(column.type)
    if not isinstance(layout, Layout):
        return _constant(column, layout, rows)
    data = (
        [pa.py_buffer(layout.data)] if layout.ends is None else [pa.py_buffer(layout.ends), pa.py_buffer(layout.data)]
    )
    if layout.indexes is not None:
        values = pa.Array.from_buffers(type_, len(layout.ends or b"") // INDEX_BYTES - 1, [None, *data])
        return pa.DictionaryArray.from_arrays(_indexes(layout.indexes), values)
    valid = None if layout.valid is None else pa.py_buffer(layout.valid)
    return pa.Array.from_buffers(type_, rows, [valid, *data], layout.nulls)


def _indexes(indexes: bytes) -> Any:
    return pa.Array.from_buffers(pa.int32(), len(indexes) // INDEX_BYTES, [None, pa.py_buffer(indexes)])


def _constant(column: Column, value: Any, rows: int) -> Any:
    if column.type == NAME:
        return pa.DictionaryArray.from_arrays(_indexes(bytes(INDEX_BYTES * rows)), pa.array([value], pa.string()))
    return pa.repeat(pa.scalar(value, arrow_type(column.type)), rows)


def _with_columns(table: Table, arrow: Any, names: set[str]) -> Any:
    """`arrow` with all columns of `names`: those it lacks hold their default."""
    if len(names) == arrow.num_columns:
        return arrow
    wanted = [column for column in table.inserted if column.name in names]
    held = set(arrow.column_names)
    arrays = [
        arrow.column(column.name)
        if column.name in held
        else _constant(column, _LEFT_OUT.get(column.type), arrow.num_rows)
        for column in wanted
    ]
    return pa.Table.from_arrays(arrays, names=[column.name for column in wanted])


@dataclass(frozen=True, slots=True)
class Body:
    """What one insert sends: an Arrow file of `rows` rows with these columns."""

    table: Table
    rows: int
    columns: list[str]
    data: memoryview


def body_of(table: Table, arrow: Any, compression: Any = None) -> Body:
    """`compression`: lz4 or zstd, of the columns within the file; None on the same machine."""
    options = None if compression is None else pa.ipc.IpcWriteOptions(compression=pa.Codec(compression))
    sink = pa.BufferOutputStream()
    with pa.RecordBatchFileWriter(sink, arrow.schema, options=options) as writer:
        writer.write(arrow)
    return Body(table, arrow.num_rows, arrow.column_names, memoryview(sink.getvalue()))


def whole(table: Table, arrows: Sequence[Any], compression: str | None = None) -> Body:
    """One insert of what several blocks bring for a table."""
    if len(arrows) == 1:
        return body_of(table, arrows[0], compression)
    names = set().union(*(arrow.column_names for arrow in arrows))
    alike = [_with_columns(table, arrow, names) for arrow in arrows]
    return body_of(table, pa.concat_tables(alike).unify_dictionaries().combine_chunks(), compression)


def prepare(
    topic: str, topic_id: str, partition: int, records: Sequence[SourceRecord]
) -> tuple[Block, list[tuple[Table, Any]]]:
    """The block of these records and its rows as Arrow tables, in the order of the topic's tables.

    Rows that go into several tables are made once; the copies are picked from the Arrow columns. The block that
    comes back has no columns any more.
    """
    laid = laid_out(topic, topic_id, partition, records)
    if laid is not None:
        return laid.block, list(_arrows_of(laid))
    block = picked_block_of(topic, topic_id, partition, list(records))
    arrows: dict[str, Any] = {}
    while block.tables:
        name = next(iter(block.tables))
        arrows[name] = lean_table(_BY_NAME[name], block.tables.pop(name))
    for name, (source, indexes) in block.picks.items():
        rows = arrows[source]
        arrows[name] = rows if len(indexes) == rows.num_rows else rows.take(pa.array(indexes, type=pa.int32()))
    return block, [(_BY_NAME[name], arrow) for name, arrow in arrows.items()]
