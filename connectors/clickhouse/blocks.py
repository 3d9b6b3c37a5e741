"""Columns of a block as an Arrow table: the fastest way into ClickHouse from Python."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.rows import Block, Columns, picked_block_of
from pipeline.state import SourceRecord
from schemas.table import BOOL, DATE, FLOAT, INSTANT, INT, NAME, PLACE, TEXT, Table
from schemas.tables import TABLES

_BY_NAME = {table.name: table for table in TABLES}

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


@dataclass(frozen=True, slots=True)
class Body:
    """What one insert sends: an Arrow file of `rows` rows."""

    table: Table
    rows: int
    data: bytes

    @property
    def columns(self) -> list[str]:
        return [column.name for column in self.table.inserted]


def body_of(table: Table, arrow: Any, compression: Any = None) -> Body:
    """`compression`: lz4 or zstd, of the columns within the file; None on the same machine."""
    options = None if compression is None else pa.ipc.IpcWriteOptions(compression=pa.Codec(compression))
    sink = pa.BufferOutputStream()
    with pa.RecordBatchFileWriter(sink, arrow.schema, options=options) as writer:
        writer.write(arrow)
    return Body(table, arrow.num_rows, sink.getvalue().to_pybytes())


def whole(table: Table, arrows: Sequence[Any], compression: str | None = None) -> Body:
    """One insert of what several blocks bring for a table."""
    return body_of(table, arrows[0] if len(arrows) == 1 else pa.concat_tables(arrows).combine_chunks(), compression)


def prepare(
    topic: str, topic_id: str, partition: int, records: Sequence[SourceRecord]
) -> tuple[Block, list[tuple[Table, Any]]]:
    """The block of these records and its rows as Arrow tables, in the order of the topic's tables.

    Rows that go into several tables are made once; the copies are picked from the Arrow columns. The block that
    comes back has no columns any more.
    """
    block = picked_block_of(topic, topic_id, partition, records)
    arrows: dict[str, Any] = {}
    while block.tables:
        name = next(iter(block.tables))
        arrows[name] = arrow_table(_BY_NAME[name], block.tables.pop(name))
    for name, (source, indexes) in block.picks.items():
        rows = arrows[source]
        arrows[name] = rows if len(indexes) == rows.num_rows else rows.take(pa.array(indexes, type=pa.int32()))
    return block, [(_BY_NAME[name], arrow) for name, arrow in arrows.items()]
