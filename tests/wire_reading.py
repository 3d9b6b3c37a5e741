"""Record batches of Kafka's message format 2 read in plain Python: what `pipeline.native.WireRecords` does in C.

Stands in for it where no C compiler was there, so that the tests of what builds on it run everywhere.
"""

from pipeline.per_record import native
from tests.partition import Rec

Batch = tuple[bytes, int, int, int, int, int]  # buffer, start, stop, first offset, first timestamp, records


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


WireRecords = read_batches if native is None else native.WireRecords
