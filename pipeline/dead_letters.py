"""A refused record as the bytes of a dead letter."""

import base64

import msgspec

from pipeline.errors import BadRecord
from pipeline.state import SourceRecord

DETAIL_CHARS = 500  # enough to see what is wrong; the whole record is in `value`


class _Letter(msgspec.Struct):
    schema_version: int
    code: str
    field: str
    detail: str
    stage: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: str | None
    value: str | None


_encode = msgspec.json.Encoder().encode


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def dead_letter(error: BadRecord, *, stage: str, topic: str, partition: int, record: SourceRecord) -> bytes:
    """JSON of `schemas.dead_letter.DeadLetter`."""
    return _encode(
        _Letter(
            schema_version=1,
            code=error.code,
            field=error.field,
            detail=error.reason[:DETAIL_CHARS],
            stage=stage,
            topic=topic,
            partition=partition,
            offset=record.offset,
            timestamp_ms=record.timestamp,
            key=_text(record.key),
            value=_text(record.value),
        )
    )


CLEARED = "cleared"


def cleared_letter(topic: str, partition: int, offset: int) -> bytes:
    """Takes a letter back: under the present reading the record of that place is good, and has been counted."""
    return _encode(
        _Letter(1, CLEARED, "", "counted by a rebuild", "aggregate", topic, partition, offset, 0, None, None)
    )
