"""Records of a topic to columns of its tables. A block is a range of one partition, named by its offsets."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from pydantic_core import PydanticUndefined

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from pipeline.row_refusal import row_refusal
from pipeline.state import SourceRecord
from pipeline.superseded import unsuperseded
from schemas.table import BOOL, FLOAT, INSTANT, INT, NAME, PLACE, TEXT, Column, Table
from schemas.tables import RAW_RECORDS, TABLES_OF
from schemas.topics import BY_NAME, TOTALS

MAX_INSTANT_MS = 10_413_791_999_999  # 2299-12-31: where DateTime64 ends
MAX_INT = 2**63 - 1
QUARTER_MS = 900_000  # every zone's offset changes at a quarter of an hour
BASE64 = "|base64"
EPOCH = date(1970, 1, 1)

Columns = dict[str, list[Any]]

_TYPES: dict[str, Any] = {
    INSTANT: Annotated[int, msgspec.Meta(ge=0, le=MAX_INSTANT_MS)],
    INT: Annotated[int, msgspec.Meta(ge=-MAX_INT - 1, le=MAX_INT)],
    PLACE: Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)],
    "UInt32": Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)],
    NAME: str,
    TEXT: str,
    BOOL: bool,
    FLOAT: float,
}


@dataclass(slots=True)
class Block:
    """What a range of one partition comes to. `tables`: columns by table, in the order of the table's columns.

    `picks`: table -> (table of `tables`, indexes): rows of that one which this table takes just as they are.
    `rows` counts records that are stored, `ticks` ticks and checkpoints, `superseded` totals of which the block holds a
    later version, `refused` what cannot be a row: all records of the range. `newest_ms`: their highest timestamp.
    """

    topic: str
    topic_id: str
    partition: int
    first_offset: int
    last_offset: int
    tables: dict[str, Columns] = field(default_factory=dict)
    picks: dict[str, tuple[str, list[int]]] = field(default_factory=dict)
    rows: int = 0
    ticks: int = 0
    superseded: int = 0
    refused: list[tuple[SourceRecord, BadRecord]] = field(default_factory=list)
    newest_ms: int = 0

    def token(self, table: str) -> str:
        """The name under which ClickHouse takes this block into a table once."""
        return f"{table}:{self.topic}-{self.partition}:{self.first_offset}-{self.last_offset}"

    @property
    def ledger(self) -> dict[str, Any]:
        """The row of `sink_blocks`."""
        return {
            "topic": self.topic,
            "topic_id": self.topic_id,
            "partition": self.partition,
            "first_offset": self.first_offset,
            "last_offset": self.last_offset,
            "rows": self.rows,
            "skipped": self.ticks + self.superseded,
            "refused": len(self.refused),
            "newest_ms": self.newest_ms,
        }


def block_of(topic: str, topic_id: str, partition: int, records: Sequence[SourceRecord]) -> Block:
    """`records`: one or more, in order. Raises nothing for a bad record: it is in `refused`. `picks` stays empty."""
    block = picked_block_of(topic, topic_id, partition, records)
    for name, (source, indexes) in block.picks.items():
        columns = block.tables[source]
        block.tables[name] = {column: [values[index] for index in indexes] for column, values in columns.items()}
    block.picks.clear()
    return block


def picked_block_of(topic: str, topic_id: str, partition: int, records: Sequence[SourceRecord]) -> Block:
    """As `block_of`; rows that go into several tables of the same columns are made once, see `Block.picks`."""
    block = Block(topic, topic_id, partition, records[0].offset, records[-1].offset)
    block.newest_ms = instant(max([record.timestamp for record in records]))
    kept: Sequence[SourceRecord] = [
        record for record in records if not (record.key is None and (record.value is None or topic == TOTALS))
    ]
    block.ticks = len(records) - len(kept)
    read: Sequence[Any] = ()
    if TABLES_OF[topic] != (RAW_RECORDS,):
        kept, read = _read(topic, kept, block)
    if topic == TOTALS and len(newest := unsuperseded(read)) < len(read):
        block.superseded = len(read) - len(newest)
        kept, read = [kept[index] for index in newest], [read[index] for index in newest]
    block.rows = len(kept)
    first: Table | None = None
    for table in TABLES_OF[topic]:
        indexes = _chosen(table, read, len(kept))
        if not indexes:
            continue
        if first is not None and table.inserted == first.inserted:
            block.picks[table.name] = (first.name, list(indexes))
            continue
        if len(indexes) == len(kept):
            chosen, values = kept, read
            first = first or table  # its rows are all rows: indexes of others count in them
        else:
            chosen, values = [kept[index] for index in indexes], [read[index] for index in indexes]
        block.tables[table.name] = {column.name: _values(column, block, chosen, values) for column in table.inserted}
    return block


def _read(topic: str, records: Sequence[SourceRecord], block: Block) -> tuple[Sequence[SourceRecord], Sequence[Any]]:
    """The records that can be rows, and what they say; the others go to `block.refused`."""
    decode = _decoder(topic)
    try:
        return records, decode.all_of(records)
    except (BadRecord, msgspec.MsgspecError, UnicodeDecodeError):
        kept, read = [], []  # one of them is bad: which one, and why?
    for record in records:
        try:
            read.append(decode.one(record))
        except BadRecord as error:
            block.refused.append((record, error))
            continue
        kept.append(record)
    return kept, read


def instant(ms: int) -> int:
    """A record timestamp within what a column can hold. Brokers hand on whatever a producer wrote."""
    return min(max(ms, 0), MAX_INSTANT_MS)


def _chosen(table: Table, read: Sequence[Any], count: int) -> Sequence[int]:
    chosen: Sequence[int] = range(count)
    if table.level is not None:
        chosen = [index for index, message in enumerate(read) if message.level == table.level]
    return _newest(table.newest_by, read, chosen) if table.newest_by else chosen


def _newest(name: str, read: Sequence[Any], indexes: Iterable[int]) -> list[int]:
    newest: dict[str, int] = {}
    identity = attrgetter(name)
    for index in indexes:
        key = identity(read[index])
        known = newest.get(key)
        if known is None or read[index].version >= read[known].version:
            newest[key] = index
    return list(newest.values())


def _values(column: Column, block: Block, kept: Sequence[SourceRecord], read: Sequence[Any]) -> list[Any]:
    source = column.source
    if source.endswith(BASE64):
        encoded = map(attrgetter(source.removesuffix(BASE64)), read)
        return [None if text is None else b64decode(text) for text in encoded]
    if not source.startswith("@"):
        return list(map(attrgetter(source), read))
    return _PLACES[source](block, kept, read)


_PLACES: dict[str, Callable[[Block, Sequence[SourceRecord], Sequence[Any]], list[Any]]] = {
    "@topic": lambda block, kept, _: [block.topic] * len(kept),
    "@topic_id": lambda block, kept, _: [block.topic_id] * len(kept),
    "@partition": lambda block, kept, _: [block.partition] * len(kept),
    "@offset": lambda _block, kept, _: [record.offset for record in kept],
    "@timestamp": lambda _block, kept, _: [instant(record.timestamp) for record in kept],
    "@key": lambda _block, kept, _: [record.key or b"" for record in kept],
    "@value": lambda _block, kept, _: [record.value or b"" for record in kept],
    "@day": lambda _block, _kept, read: _days(read),
}


def _days(totals: Sequence[Any]) -> list[int]:
    return [local_day(total.zone, total.start_ms // QUARTER_MS) for total in totals]


@lru_cache(1 << 16)
def local_day(zone: str, quarter: int) -> int:
    """Days from 1970-01-01 to the date in `zone` at this quarter of an hour since 1970. Raises BadRecord(BAD_ZONE)."""
    try:
        return (datetime.fromtimestamp(quarter * QUARTER_MS // 1000, ZoneInfo(zone)).date() - EPOCH).days
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadRecord(BadRecordCode.BAD_ZONE, "zone", f"{zone!r} is not an IANA zone") from None


class _Decoder:
    """Reads records of a topic with every field its tables need, within what the columns hold."""

    def __init__(self, topic: str) -> None:
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(_shape(topic)).decode
        self._totals = topic == TOTALS
        self._encoded = [
            column.source.removesuffix(BASE64)
            for table in TABLES_OF[topic]
            for column in table.inserted
            if column.source.endswith(BASE64)
        ]

    def all_of(self, records: Sequence[SourceRecord]) -> list[Any]:
        """Raises anything when one of them is bad."""
        if self._encoded:
            return [self.one(record) for record in records]
        decode = self._decode
        messages = [decode(record.value or b"") for record in records]
        if self._totals:
            for zone, quarter in {(message.zone, message.start_ms // QUARTER_MS) for message in messages}:
                local_day(zone, quarter)
        return messages

    def one(self, record: SourceRecord) -> Any:
        """Raises BadRecord."""
        if record.value is None:
            raise BadRecord(BadRecordCode.MALFORMED, "", "a record without a value")
        try:
            message = self._decode(record.value)
        except msgspec.ValidationError as error:
            raise row_refusal(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRecord(BadRecordCode.MALFORMED, "", str(error)) from None
        if self._totals:
            local_day(message.zone, message.start_ms // QUARTER_MS)
        for name in self._encoded:
            _check_base64(name, getattr(message, name))
        return message


@lru_cache
def _decoder(topic: str) -> _Decoder:
    return _Decoder(topic)


def _check_base64(name: str, text: str | None) -> None:
    try:
        b64decode(text or "", validate=True)
    except (Base64Error, ValueError) as error:
        raise BadRecord(BadRecordCode.BAD_VALUE, name, str(error)) from None


def _shape(topic: str) -> type[msgspec.Struct]:
    """A struct with the fields the tables take, typed by their columns; defaults are those of the contract."""
    wanted: dict[str, Any] = {"level": str} if topic == TOTALS else {}
    for table in TABLES_OF[topic]:
        for column in table.inserted:
            if not column.source.startswith("@"):
                wanted[column.source.removesuffix(BASE64)] = _type_of(column)
    return _struct(topic, wanted, BY_NAME[topic].model)


def _type_of(column: Column) -> Any:
    inner = column.type.removeprefix("Nullable(")
    return _TYPES[column.type] if inner == column.type else _TYPES[inner.removesuffix(")")] | None


def _struct(name: str, wanted: dict[str, Any], model: Any) -> type[msgspec.Struct]:
    nested: dict[str, dict[str, Any]] = {}
    fields: list[tuple[Any, ...]] = []
    for source, type_ in wanted.items():
        outer, dot, inner = source.partition(".")
        if dot:
            nested.setdefault(outer, {})[inner] = type_
        else:
            fields.append((source, type_, *default_of(model, source)))
    for outer, inside in nested.items():
        fields.append((outer, _struct(outer, inside, model.model_fields[outer].annotation)))
    return msgspec.defstruct(re.sub(r"\W", "_", name), fields, kw_only=True, gc=False)


def default_of(model: Any, name: str) -> tuple[Any, ...]:
    """The default of a field of this contract, as one element; none where it is required."""
    default = PydanticUndefined if model is None else model.model_fields[name].default
    return () if default is PydanticUndefined else (default,)
