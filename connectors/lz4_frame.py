"""What producers of ours compress by: LZ4 frames of one block, a tenth smaller and quicker than of many small ones.

The form is that of the LZ4 frame format (1.6.x) within what Kafka reads (KIP-57): blocks that do not lean on each
other, no checksums, for a record batch has one of its own. A frame says how large its blocks may be, since a reader
makes room for that: it is the smallest of the four sizes that takes all of the data.
"""

import sys
from struct import Struct
from typing import Any

import cramjam
from aiokafka.record.default_records import DefaultRecordBatchBuilder

_SIZE = Struct("<I")
_STORED = 0x8000_0000  # of a block's size: its bytes are as they were
# Magic, version 1 with independent blocks, the code of a block's size; the second byte of the xxHash of the last two.
_HEADS = {
    64 << 10: bytes.fromhex("04224d18604082"),
    256 << 10: bytes.fromhex("04224d186050fb"),
    1 << 20: bytes.fromhex("04224d18606051"),
    4 << 20: bytes.fromhex("04224d18607073"),
}
LARGEST_BLOCK = max(_HEADS)
_END = _SIZE.pack(0)


def lz4_frame(data: bytes) -> bytes:
    """`data` as one frame."""
    size = len(data)
    parts: list[Any] = [next((head for most, head in _HEADS.items() if size <= most), _HEADS[LARGEST_BLOCK])]
    for start in range(0, size, LARGEST_BLOCK):
        block = data if size <= LARGEST_BLOCK else data[start : start + LARGEST_BLOCK]
        packed = cramjam.lz4.compress_block(block, store_size=False)
        if len(packed) < len(block):
            parts += (_SIZE.pack(len(packed)), packed)
        else:
            parts += (_SIZE.pack(len(block) | _STORED), block)
    parts.append(_END)
    return b"".join(parts)


def compress_by_frames() -> None:
    """For what aiokafka builds itself, in this process: at level 9, which it has no setting for, lz4 takes ten times as
    long to save a tenth of the bytes."""
    sys.modules[DefaultRecordBatchBuilder.__module__].__dict__["lz4_encode"] = lz4_frame
