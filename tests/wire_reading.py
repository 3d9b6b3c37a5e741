"""Record batches of Kafka's message format 2 read in plain Python: what `pipeline.native` does in C.

Stands in for it where no C compiler was there, so that the tests of what builds on it run everywhere.
"""

import cramjam
from aiokafka.record.util import calc_crc32c

from pipeline.copies import Batch
from pipeline.per_record import native
from tests.partition import Rec

HEADER_BYTES, LENGTH_ENDS, LZ4, LARGEST_BYTES = 61, 12, 3, 64 << 20


class _Bytes:
    """A cursor. Raises ValueError beyond the end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        taken = self.data[self.at : self.at + size]
        if size < 0 or len(taken) < size:
            raise ValueError("not a batch of records")
        self.at += size
        return taken

    def varint(self) -> int:
        bits = shift = 0
        while (byte := self.take(1)[0]) & 0x80 and shift < 63:
            bits |= (byte & 0x7F) << shift
            shift += 7
        bits |= byte << shift
        return (bits >> 1) ^ -(bits & 1)

    def sized(self) -> bytes | None:
        size = self.varint()
        return None if size == -1 else self.take(size)


def read_batches(batches: list[Batch]) -> list[Rec]:
    return [record for batch in batches for record in _read(*batch)]


def _read(buffer: bytes, start: int, stop: int, base_offset: int, base_ms: int, count: int) -> list[Rec]:
    found, rest = [], _Bytes(buffer[start:stop])
    for _ in range(count):
        record = _Bytes(rest.take(rest.varint()))
        record.take(1)
        later_ms, further = record.varint(), record.varint()
        key, value = record.sized(), record.sized()
        record.varint()
        found.append(Rec(base_offset + further, base_ms + later_ms, key, value))
    if rest.at < len(rest.data):
        raise ValueError("not a batch of records")
    return found


def read_plain_batches(
    data: bytes, at: int, next_offset: int, most: int, most_bytes: int = 1 << 60
) -> tuple[list[Batch], int, int, int]:
    """As `pipeline.native.plain_batches`."""
    found: list[Batch] = []
    newest_ms = -1
    while sum(batch[-1] for batch in found) < most and sum(batch[2] - batch[1] for batch in found) < most_bytes:
        head = data[at : at + HEADER_BYTES]
        number = [
            int.from_bytes(head[a:b], "big", signed=True) for a, b in ((0, 8), (8, 12), (23, 27), (27, 35), (57, 61))
        ]
        offset, length, last, first_ms, count = number
        stop, codec = at + LENGTH_ENDS + length, int.from_bytes(head[21:23], "big")
        if (
            len(head) < HEADER_BYTES
            or head[16] != 2
            or codec not in {0, LZ4}
            or not at + HEADER_BYTES <= stop <= len(data)
        ):
            break
        if offset < next_offset or calc_crc32c(data[at + 21 : stop]) != int.from_bytes(head[17:21], "big"):
            break
        buffer, start, end = data, at + HEADER_BYTES, stop
        if codec:
            try:
                buffer = bytes(cramjam.lz4.decompress(data[start:stop]))
            except cramjam.DecompressionError:
                break
            start, end = 0, len(buffer)
            if end > LARGEST_BYTES:
                break
        found.append((buffer, start, end, offset, first_ms, count))
        at, next_offset = stop, offset + last + 1
        newest_ms = max(newest_ms, int.from_bytes(head[35:43], "big", signed=True))
    return found, at, next_offset, newest_ms


WireRecords = read_batches if native is None else native.WireRecords
plain_batches = read_plain_batches if native is None else native.plain_batches
