from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

from typing_extensions import Buffer

from pipeline.copies import Batch
from pipeline.counted_panes import Drained, Pane
from pipeline.counted_restore import RowsInC
from pipeline.counted_rows import Campaign, Row
from pipeline.counted_slots import Places, Slot, Target
from pipeline.event_ids import EventIds
from pipeline.noted_rows import Noted
from pipeline.reported_rows import RowKey
from pipeline.state import KeptRow, Output, SourceRecord

class IdMemory:
    def __len__(self) -> int: ...
    def note(self, name: str, hour: int, /) -> int: ...
    def forget_before(self, hour: int, /) -> None: ...

class IdNames:
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> str: ...
    def append(self, name: str, /) -> None: ...
    def packed(self, start: int, stop: int, /) -> bytes: ...
    def drop(self, count: int, /) -> None: ...

def plain_batches(
    data: bytes, at: int, next_offset: int, most_records: int, most_bytes: int = ..., /
) -> tuple[list[Batch], int, int, int]:
    """The plain record batches in `data` from `at` on, until there are so many records or bytes of them: the batches,
    where they end, the offset that follows them, and the newest of their timestamps (-1: there is none).

    None that begins before `next_offset`. The checksum of each is right. Plain: message format 2, timestamps of the
    producer, no transaction, not compressed or by LZ4.
    """

class WireRecords(Sequence[SourceRecord]):
    """The records of several batches: (buffer, start, stop, first offset, first timestamp in ms, records) each.

    `start` and `stop` are where the records lie in the buffer, uncompressed, in Kafka's message format 2. Raises
    ValueError when that is not what is there.
    """

    def __init__(self, batches: list[tuple[bytes, int, int, int, int, int]], /) -> None: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int, /) -> SourceRecord: ...
    @overload
    def __getitem__(self, index: slice, /) -> Sequence[SourceRecord]:
        """With a step of 1 WireRecords again, over the same bytes."""

    @property
    def nbytes(self) -> int:
        """What these records hold in memory; a part is told its share of what it came in."""

    @staticmethod
    def joined(parts: list[WireRecords], /) -> WireRecords: ...

class Rows:
    """Columns by their numbers in the shape. Text and whole numbers without null are what the methods compare."""

    dropped: int
    newest_ms: int
    def __len__(self) -> int: ...
    def thin_out(self, id_: int, time: int, unit: int, version: int, /) -> int:
        """Of rows with equal id and time // unit only that with the highest version stays. How many went."""

    def newest(self, level: int, wanted: str, id_: int, version: int, /) -> bytes:
        """Of rows of that level and equal id the number of that with the highest version, as int32."""

    def column(self, number: int, /) -> tuple[int, bool, bytes | None, bytes | None, bytes, bytes | None]:
        """Gives a column away: nulls, whether all is 0, false or "", and for Arrow validity, offsets, data, indexes."""

# name, kind (i: int64, u: uint32, d: date32, b: bool, t: text, n: text with a
# dictionary), place in the record (o: offset, t: timestamp, k: key,
# v: value, d: day; -: a field of the value), may be null, is required, default, lowest, highest
RowColumn = tuple[str, str, str, bool, bool, int | str | None, int, int]

class RowShape:
    def __init__(
        self,
        columns: list[RowColumn],
        keyless: bool,
        zone: int,
        start: int,
        quarter_ms: int,
        day_of: Callable[[str, int], int],
    ) -> None:
        """Up to 120 columns, best in the order of the fields. `keyless`: records without a key are no rows; else those
        that have no value either. `zone` and `start`: numbers of the columns a day is of, -1 where there is none.
        """

    def read(self, records: Sequence[SourceRecord], /) -> Rows | None:
        """None: something is not plainly good, or these are not WireRecords. Runs beside other threads."""

def write_records(pairs: list[tuple[bytes | None, bytes | None]], start: int, room_bytes: int, /) -> tuple[bytes, int]:
    """The pairs from `start` on that fit a batch of `room_bytes` of records, the first of them in any case.

    Returns their bytes, uncompressed, in Kafka's message format 2, and the index behind the last. Raises TypeError
    for anything but pairs of bytes or None.
    """

def checksum(data: Buffer, /) -> int:
    """CRC-32C, of Kafka's batches."""

class Pairs:
    """Pairs of key and value as `write_records` makes them: blocks of at most `room_bytes`, or of one record.

    `pack` compresses a block, as a frame of LZ4, as soon as it is full. What `extend` takes is added in order; from
    other Pairs with `suffix` behind each key that is not None.
    """

    room_bytes: int
    def __init__(self, room_bytes: int, pack: Callable[[bytes], bytes] | None = None, /) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[tuple[bytes | None, bytes | None]]: ...
    def append(self, pair: tuple[bytes | None, bytes | None], /) -> None: ...
    def extend(self, pairs: Iterable[tuple[bytes | None, bytes | None]] | Pairs, suffix: bytes = b"", /) -> None: ...
    def drain(self) -> list[tuple[bytes, int, bool]]:
        """The blocks, how many records are in each, and whether it was packed; nothing is left."""

class NotedRows:
    """Implements `pipeline.noted_rows.Noted`; iterates over the targets, which `values` are."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Target]: ...
    def __contains__(self, target: object, /) -> bool: ...
    def __setitem__(self, number: int, target: Target, /) -> None:
        """Raises ValueError for a number that is not the identity of the row."""

    def pop(self, number: int, default: None, /) -> Target | None: ...
    def values(self) -> NotedRows: ...

class Panes:
    campaigns: dict[bytes | None, Campaign]
    firsts: list[bytes]
    refused: list[tuple[SourceRecord, bool]]
    counted: int
    repeated: int
    oldest_ms: int
    def __init__(
        self,
        memory: IdMemory,
        pane: type[Pane],
        campaign: type[Campaign],
        zone_reason: Callable[[str], object],
        /,
    ) -> None: ...
    def __len__(self) -> int: ...
    def learn(self, name: bytes, campaign: Campaign, /) -> None: ...
    def count(
        self,
        records: Sequence[SourceRecord],
        position: int,
        until_ms: int,
        from_ms: int,
        after_offset: int,
        ids: EventIds,
        /,
    ) -> int: ...
    def add(
        self,
        campaign: Campaign,
        ad_id: str | None,
        minute_ms: int,
        offset: int,
        timestamp_ms: int,
        added: Sequence[int],
        /,
    ) -> None: ...
    def holds(self, campaign: Campaign, ad_id: str | None, minute_ms: int, /) -> bool: ...
    def drain(self, over_ms: int, /) -> list[Drained]: ...

def fold(
    drained: list[Drained],
    order_base: int,
    guard_to: int,
    changed: Noted,
    live: Noted,
    dirty: Noted,
    corrected: dict[int, Target],
    clock_ms: int,
    places: Callable[[str, int, int], Places],
    watch_late: Callable[[Slot, int], None],
    rows_of: Callable[[Pane, Row, int], list[Target]],
    /,
) -> None: ...
def totals(
    targets: Collection[Target],
    found: Pairs,
    campaigns: Mapping[bytes | None, Campaign],
    text_of: Callable[[Slot, int, bool], bytes],
    settled: bool,
    offset: int,
    order_bits: int,
    /,
) -> None:
    """Adds them to `found`. `targets`: a list or NotedRows. `offset`: -1 where it is that of the row's order.

    Raises OverflowError for a number beyond 64 bits.
    """

def kept(targets: Collection[Target], found: Pairs, /) -> None:
    """Adds them to `found`. `targets`: a list or NotedRows. Raises OverflowError for a number beyond 64 bits."""

def kept_campaigns(
    names: list[bytes], campaigns: Mapping[bytes | None, Campaign], prefix: bytes, order: int, found: Pairs, /
) -> None:
    """Adds them to `found`. Raises KeyError for a name that is not there."""

def worth_judging(records: WireRecords, counted_to: int, /) -> tuple[list[SourceRecord], int]: ...
def known_rows(
    records: Sequence[SourceRecord],
    position: int,
    run: tuple[bytes, int, int, int, int],
    frames: dict[int, list[Any]],
    campaigns: dict[str, list[Any]],
    total: tuple[str, bytes],
    outputs: list[Output],
    changed: dict[RowKey, list[Any]],
    /,
) -> tuple[int, int, int]:
    """`run`: head, place number, when it was fetched in Unix ms, order of its first offset less one, bits of an order.
    `total`: topic and text of totals.

    Returns the position of the first record that is not plain, how many rows were as before, and how many revised.
    """

def kept_reported(changed: dict[RowKey, list[Any]], /) -> list[tuple[bytes, KeptRow]]:
    """Raises OverflowError for a number beyond 64 bits."""

def frame_number(place_number: int, key: bytes | None, before: bytes, after: bytes, /) -> int: ...
def figures_number(figures: bytes, /) -> int: ...

class Copies:
    """Implements `pipeline.copies.CopyStore`. `is_newer(value, known)`: asked where orders are not whole numbers."""

    def __init__(self, is_newer: Callable[[bytes, bytes], bool], /) -> None: ...
    def __len__(self) -> int: ...
    def read(self, records: Iterable[SourceRecord], /) -> None: ...
    def read_batch(self, batch: Batch, /) -> None:
        """As `read`, of the records of a batch as `WireRecords` takes it. Raises ValueError when it is not one."""

    def pick(self, key: bytes, /) -> bytes | None: ...
    def drain(self) -> Iterator[tuple[bytes, bytes]]: ...
    def keys(self) -> list[bytes]: ...
    def forget_keys(self) -> None: ...
    def take(self, key: bytes, /) -> tuple[bytes, ...]: ...

def place_rows(copies: Copies, to: RowsInC, order_bits: int, /) -> tuple[list[tuple[Slot, str, Row]], int]:
    """As `pipeline.counted_restore.rows_into_slots`. What is not plainly a row of a window goes to `to.other`."""

def note_ids(memory: IdMemory, value: bytes, /) -> tuple[int, int] | None:
    """Note a chunk of the changelog: its hour, and how many ids were not known or of an earlier hour.

    None, and nothing noted, when it is not plain: whole numbers, and ids of ASCII.
    """
