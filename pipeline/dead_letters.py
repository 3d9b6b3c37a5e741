"""A refused record as the bytes of a dead letter."""

import msgspec

from pipeline.errors import BadRecord
from pipeline.state import SourceRecord

DETAIL_CHARS = 500  # enough to see what is wrong; the whole record is in `value`


class _Letter(msgspec.Struct, gc=False):
    schema_version: int
    code: str
    field: str
    detail: str
    stage: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None  # in Base64, as msgspec writes bytes
    value: bytes | None


_encode = msgspec.json.Encoder().encode


def dead_letter(error: BadRecord, *, stage: str, topic: str, partition: int, record: SourceRecord) -> bytes:
    """JSON of `schemas.dead_letter.DeadLetter`."""
    return letter_of(error.code, error.field, error.reason, stage, topic, partition, record)


def letter_of(
    code: str, field: str, detail: str, stage: str, topic: str, partition: int, record: SourceRecord
) -> bytes:
    """The same where nobody has raised anything."""
    return _encode(
        _Letter(
            1,
            code,
            field,
            detail[:DETAIL_CHARS],
            stage,
            topic,
            partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
        )
    )


CLEARED = "cleared"


def cleared_letter(topic: str, partition: int, offset: int) -> bytes:
    """Takes a letter back: under the present reading the record of that place is good, and has been counted."""
    return _encode(
        _Letter(1, CLEARED, "", "counted by a rebuild", "aggregate", topic, partition, offset, 0, None, None)
    )
