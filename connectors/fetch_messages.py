"""What a consumer says and hears at every fetch, written and read in a few calls: version 11 of two messages of Kafka.

aiokafka describes them field by field, and asks and answers field by field: 130 µs for a fetch of 16 partitions, which
a consumer that shall not be late makes 50 times a second. Here 15. Held together by `tests/property`.
"""

from io import BytesIO
from struct import Struct, error
from typing import Any

from aiokafka.protocol.fetch import FetchRequest_v11, FetchResponse_v11
from aiokafka.protocol.struct import Struct as Described

_ASKED = Struct(">iiiibii")  # replica, longest wait, least and most bytes, isolation, session and its epoch
_PLACE = Struct(">iiqqi")  # partition, epoch of its leader, offset, first offset, most bytes
_ANSWER = Struct(">ihii")  # throttled ms, error, session, topics
_PART = Struct(">ihqqqi")  # partition, error, end, stable end, first offset, aborted transactions
_ABORTED = Struct(">qq")  # producer, first offset
_SIZE, _SHORT, _REPLICA_AND_SIZE = Struct(">i"), Struct(">h"), Struct(">ii")


def speak_quickly() -> None:
    """Once per process. Whoever encodes or decodes these messages gets the same as before."""
    FetchRequest_v11.encode = _encode
    FetchResponse_v11.decode = classmethod(_decode)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _SHORT.pack(len(encoded)) + encoded


def _encode(self: Any) -> bytes:
    if self.forgotten_topics_data or self.topics is None or self.rack_id is None:
        return bytes(Described.encode(self))
    head = (self.replica_id, self.max_wait_time, self.min_bytes, self.max_bytes, self.isolation_level)
    parts = [_ASKED.pack(*head, self.session_id, self.session_epoch), _SIZE.pack(len(self.topics))]
    for topic, partitions in self.topics:
        parts += (_text(topic), _SIZE.pack(len(partitions)))
        parts += [_PLACE.pack(*place) for place in partitions]
    parts += (_SIZE.pack(0), _text(self.rack_id))
    return b"".join(parts)


def _decode(cls: Any, data: BytesIO | bytes) -> Any:
    body = data if isinstance(data, bytes) else data.read()
    try:
        return cls(*_read_answer(body))
    except (error, ValueError):
        return super(FetchResponse_v11, cls).decode(body)  # what is missing or odd, it says in its own words


def _read_answer(body: bytes) -> tuple[int, int, int, list[Any]]:
    throttled_ms, failed, session, count = _ANSWER.unpack_from(body)
    topics: list[Any] = []
    at = _ANSWER.size
    for _ in range(_known(count)):
        (size,) = _SHORT.unpack_from(body, at)
        start, at = at + _SHORT.size, at + _SHORT.size + _known(size)
        (count,) = _SIZE.unpack_from(body, at)
        name, at = body[start:at].decode(), at + _SIZE.size
        parts: list[Any] = []
        for _ in range(_known(count)):
            part, at = _read_part(body, at)
            parts.append(part)
        topics.append((name, parts))
    return throttled_ms, failed, session, topics


def _read_part(body: bytes, at: int) -> tuple[tuple[Any, ...], int]:
    *head, count = _PART.unpack_from(body, at)
    at += _PART.size
    aborted: list[tuple[int, ...]] | None = None if count == -1 else []
    for _ in range(count):
        aborted.append(_ABORTED.unpack_from(body, at))  # type: ignore[union-attr]
        at += _ABORTED.size
    replica, size = _REPLICA_AND_SIZE.unpack_from(body, at)
    at += _REPLICA_AND_SIZE.size
    stop = at + _known(size)
    if stop > len(body):
        raise ValueError("cut off")
    return (*head, aborted, replica, body[at:stop]), stop


def _known(size: int) -> int:
    if size < 0:
        raise ValueError("null")
    return size
