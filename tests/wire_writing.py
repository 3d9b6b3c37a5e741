"""Record batches of Kafka's message format 2 written in plain Python: what `pipeline.native.write_records` does in C.

Stands in for it where no C compiler was there, so that the tests of what builds on it run everywhere.
"""

from collections.abc import Callable
from typing import Any

from pipeline.per_record import native

Pair = tuple[bytes | None, bytes | None]


def _varint(number: int) -> bytes:
    bits, written = number << 1 ^ number >> 63, bytearray()
    while bits > 0x7F:
        written.append(bits & 0x7F | 0x80)
        bits >>= 7
    written.append(bits)
    return bytes(written)


def _sized(part: bytes | None) -> bytes:
    if part is None:
        return _varint(-1)
    if not isinstance(part, bytes):
        raise TypeError(f"expected bytes or None, not {type(part).__name__}")
    return _varint(len(part)) + part


def _record(pair: Pair, place: int) -> bytes:
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise TypeError("expected a pair of key and value")
    body = b"\0\0" + _varint(place) + _sized(pair[0]) + _sized(pair[1]) + b"\0"
    return _varint(len(body)) + body


def write_in_python(pairs: list[Pair], start: int, room_bytes: int) -> tuple[bytes, int]:
    """As `pipeline.native.write_records`."""
    if start < 0:
        raise IndexError("no such record")
    records, following = b"", start
    for place, pair in enumerate(pairs[start:]):
        record = _record(pair, place)
        if place and len(records) + len(record) > room_bytes:
            break
        records += record
        following += 1
    return records, following


write_records = write_in_python if native is None else native.write_records


class PairsInPython(list[Any]):
    """As `pipeline.native.Pairs`."""

    def __init__(self, room_bytes: int, pack: Callable[[bytes], bytes] | None = None) -> None:
        super().__init__()
        self.room_bytes, self._pack = room_bytes, pack

    def append(self, pair: Any) -> None:
        write_in_python([pair], 0, -1)  # refuses what is none
        super().append(pair)

    def extend(self, pairs: Any, suffix: bytes = b"") -> None:
        for pair in pairs:
            self.append((pair[0] + suffix, pair[1]) if suffix and pair[0] is not None else pair)

    def drain(self) -> list[tuple[bytes, int, bool]]:
        blocks, place = list[tuple[bytes, int, bool]](), 0
        while place < len(self):
            start = place
            records, place = write_in_python(self, start, self.room_bytes)
            if self._pack is None or place == len(self):
                blocks.append((records, place - start, False))
            else:
                blocks.append((self._pack(records), place - start, True))
        self.clear()
        return blocks


PairsOfBlocks: Any = PairsInPython if native is None else native.Pairs
