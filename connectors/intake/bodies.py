"""The body of a request to single events: bounded, unpacked, and cut where the sender's own bytes begin and end."""

import zlib
from typing import Any

import msgspec
from starlette.requests import Request

from connectors.intake.problems import RefusedRequest
from pipeline.codes import BadRecordCode

MAX_EVENTS = 10_000
MAX_READING_BYTES = 256 << 20  # of all requests at a time; memory stays bounded however many come at once
MAX_MEMBERS = 1_000
_PIECE_BYTES = 64 << 10
_GZIP = 31  # zlib's window bits: a gzip header and the largest window
_COMMAS_AN_EVENT = 20  # of a common event; with far more, elements are counted before they are cut out


class _Object(msgspec.Struct, gc=False):
    """Any JSON object."""


_raw_of = msgspec.json.Decoder(msgspec.Raw).decode
_elements_of = msgspec.json.Decoder(list[msgspec.Raw]).decode
_objects_of = msgspec.json.Decoder(list[_Object]).decode


def _too_large(limit_bytes: int) -> RefusedRequest:
    return RefusedRequest(
        413, f"a body may have {limit_bytes} bytes unpacked; send several requests", code=BadRecordCode.OVERSIZED
    )


def _malformed(detail: str) -> RefusedRequest:
    return RefusedRequest(400, detail, code=BadRecordCode.MALFORMED)


class BodyReader:
    """Reads bodies of at most `limit_bytes`, packed or not. One per process: it knows what all requests hold."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._reading_bytes = 0

    async def read(self, request: Request) -> bytes:
        """Raises RefusedRequest: 413 too large, 415 packed in another way, 400 not gzip, 503 too many at once."""
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip", ""}:
            raise RefusedRequest(415, f"content-encoding {encoding} is not known here; send gzip or none")
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._limit_bytes:
            raise _too_large(self._limit_bytes)
        chunks: list[bytes] = []
        held_bytes = 0
        try:
            async for chunk in request.stream():
                held_bytes += len(chunk)
                self._reading_bytes += len(chunk)
                if held_bytes > self._limit_bytes:
                    raise _too_large(self._limit_bytes)
                if self._reading_bytes > MAX_READING_BYTES:
                    raise RefusedRequest(503, "too many large requests at once", retry_after_s=1)
                chunks.append(chunk)
        finally:
            self._reading_bytes -= held_bytes
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        return unpack(body, self._limit_bytes) if encoding == "gzip" else body


def unpack(packed: bytes, limit_bytes: int) -> bytes:
    """Gzip, one member or several, never more than `limit_bytes`. Raises RefusedRequest (400, 413)."""
    parts: list[bytes] = []
    room, at, members = limit_bytes, 0, 0
    view = memoryview(packed)
    member: Any = None
    while at < len(view):
        if member is None:
            member, members = zlib.decompressobj(_GZIP), members + 1
            if members > MAX_MEMBERS:
                raise _malformed(f"the gzip body has more than {MAX_MEMBERS} members; one is enough")
        piece = view[at : at + _PIECE_BYTES]  # what follows a member is copied, so it must not be all the rest
        try:
            part = member.decompress(piece, room + 1)
        except zlib.error as error:
            raise _malformed(f"the body is not gzip: {error}") from None
        if len(part) > room:
            raise _too_large(limit_bytes)
        parts.append(part)
        room -= len(part)
        at += len(piece) - len(member.unused_data)
        if member.eof:
            member = None
    if member is not None:
        raise _malformed("the gzip body ends too early")
    return b"".join(parts)


def events_of(body: bytes, *, lines: bool) -> list[bytes]:
    """The events as their sender wrote them, in order. `lines`: the sender says it is NDJSON; else the content does.

    One object, an array, or one object a line. What is inside an element is not looked at. Raises RefusedRequest
    (400 when the body cannot be cut up, 413 for more than `MAX_EVENTS`).
    """
    text = body.strip()
    if not text:
        raise _malformed("the body is empty; an event, an array of events, or one event a line is expected")
    if text.startswith(b"[") and not lines:
        return _elements(text)
    if b"\n" in text and (lines or _is_json(text[: text.index(b"\n")])):
        found = [line for line in map(bytes.strip, text.split(b"\n")) if line]
        _refuse_too_many(len(found))
        return found
    return [text]


def _is_json(text: bytes) -> bool:
    try:
        _raw_of(text)
    except (ValueError, RecursionError):
        return False
    return True


def _elements(text: bytes) -> list[bytes]:
    try:
        if text.count(b",") > MAX_EVENTS * _COMMAS_AN_EVENT:
            _refuse_too_many(len(_objects_of(text)))
        elements = _elements_of(text)
    except (ValueError, RecursionError) as error:
        raise _malformed(f"the body is no JSON array of events: {error}") from None
    _refuse_too_many(len(elements))
    return [bytes(element) for element in elements]


def _refuse_too_many(count: int) -> None:
    if count > MAX_EVENTS:
        raise RefusedRequest(
            413, f"{count} events; a request may hold {MAX_EVENTS}, send several", code=BadRecordCode.OVERSIZED
        )
