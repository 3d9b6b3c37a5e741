"""A record in parts: what all rows of one run share byte for byte, and is read once, and what is the row's own.

A record is cut at its first `,"row":`, with or without white space between. The cut is right for any bytes, because it
is only used where the head with a `}` behind it is an object by itself, and the rest without its last `}` is one value
by itself: then the record is that object with that row in it. Whatever is written in another way is read as a whole
(`read_envelope`).
"""

import re
from functools import lru_cache

import msgspec

from pipeline.errors import BadRecord
from pipeline.normalize.google_ads_fields import digits, instant_ms
from pipeline.normalize.google_ads_row import MAX_RECORD_BYTES, Envelope, Row, read_envelope

_find_row = re.compile(rb',[ \t\n\r]*"row"[ \t\n\r]*:').search
_find_figures = re.compile(rb'"metrics"[ \t\n\r]*:[ \t\n\r]*\{').search
MAX_HEAD_BYTES = 1 << 10
MAX_ROW_BYTES = MAX_RECORD_BYTES - MAX_HEAD_BYTES
BRACE = ord("}")
NOTHING = b"\xff"  # no record begins with this

Parts = tuple[bytes, bytes, bytes]

_decode_row = msgspec.json.Decoder(Row).decode


class Head(msgspec.Struct, frozen=True):
    """`prefix`: the bytes up to the row, `size` of them. `place`: (account id, report).

    `place_number`: what the place is known by, in this process.
    """

    prefix: bytes
    size: int
    envelope: Envelope
    place: tuple[str, str]
    place_number: int
    fetched_at_ms: int


def head_of(value: bytes) -> Head | None:
    """None unless the record is a row of figures that can be cut; a good head says nothing of the row yet."""
    cut = _find_row(value, 0, MAX_HEAD_BYTES)
    if cut is None or len(value) > MAX_ROW_BYTES:
        return None
    return _read_head(value[: cut.end()], cut.start())


@lru_cache(1 << 8)
def _read_head(prefix: bytes, cut: int) -> Head | None:
    try:
        envelope = read_envelope(prefix[:cut] + b"}")
        digits(envelope.account_id, "account_id")
        instant_ms(envelope.fetched_at_ms, "fetched_at_ms")
    except BadRecord:
        return None
    if envelope.kind != "row" or envelope.report == "entity":
        return None
    place = envelope.account_id, envelope.report
    return Head(prefix, len(prefix), envelope, place, hash(place), envelope.fetched_at_ms)


def row_behind(head: Head, value: bytes) -> Row | None:
    """The row of a record that begins with `head`; None where the rest of it is not one row and a `}`."""
    if value[-1] != BRACE or len(value) > MAX_ROW_BYTES:
        return None
    try:
        return _decode_row(value[head.size : -1])
    except (msgspec.MsgspecError, ValueError, RecursionError, ArithmeticError):
        return None


def parts_of(head: Head, value: bytes) -> Parts | None:
    """(before, figures, after): a record behind its head, cut around the first flat object called metrics in it."""
    found = _find_figures(value, head.size)
    if found is None:
        return None
    begin = found.end() - 1
    end = value.find(b"}", begin) + 1
    return value[head.size : begin], value[begin:end], value[end:]


def is_frame(parts: Parts) -> bool:
    """Whether what is between `before` and `after` is the metrics of the row, for any figures.

    Asked of a record that was read. One value in JSON may stand for another: if the row has no metrics with null there,
    then it has those which stand there.
    """
    before, _, after = parts
    try:
        return _decode_row(before + b"null" + after[:-1]).metrics is None
    except (msgspec.MsgspecError, ValueError, RecursionError, ArithmeticError):
        return False
