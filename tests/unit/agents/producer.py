"""A producer that keeps what it is given, in the order in which it came and was acknowledged."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


@dataclass
class Batch:
    """As aiokafka's builder: takes so many bytes, and the first record whatever its size."""

    most_bytes: int
    records: list[tuple[bytes | None, bytes | None]] = field(default_factory=list)
    size: int = 0
    closed: bool = False

    def append(self, *, key: bytes | None, value: bytes | None, timestamp: int | None) -> object | None:
        assert not self.closed
        size = len(key or b"") + len(value or b"")
        if self.records and self.size + size > self.most_bytes:
            return None
        self.records.append((key, value))
        self.size += size
        return object()

    def record_count(self) -> int:
        return len(self.records)

    def close(self) -> None:
        self.closed = True


class FakeProducer:
    """`steps`: ("sent", topic) and ("acked", topic) as they happened. `fail`: topics whose writes fail.

    As aiokafka's, it takes a batch for a partition when the one before has gone out, and not at once.
    """

    def __init__(self, *, most_bytes: int = 1 << 20, fail: tuple[str, ...] = ()) -> None:
        self.most_bytes, self.fail = most_bytes, fail
        self.steps: list[tuple[str, str]] = []
        self.written: dict[tuple[str, int], list[Batch]] = {}
        self.stopped = False
        self.answers_s: dict[str, float] = {}  # how long it takes for a topic, if not 10 ms
        self.timestamp_type = 0
        self.begins: dict[tuple[str, int], int] = {}  # offset of the first record of a partition, if not 0
        self.pending: dict[tuple[str, int], asyncio.Future[Any]] = {}

    def create_batch(self) -> Batch:
        return Batch(self.most_bytes)

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> "asyncio.Future[Any]":
        assert batch.closed
        while (before := self.pending.get((topic, partition))) is not None and not before.done():
            await asyncio.wait([before])
        self.steps.append(("sent", topic))
        acked: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.pending[topic, partition] = acked
        offset = self.begins.get((topic, partition), 0) + len(self.records(topic, partition))
        self.written.setdefault((topic, partition), []).append(batch)

        def answer() -> None:
            if acked.cancelled():
                return
            if topic in self.fail:
                acked.set_exception(OSError("the broker said no"))
            else:
                self.steps.append(("acked", topic))
                acked.set_result(
                    SimpleNamespace(topic=topic, partition=partition, offset=offset, timestamp_type=self.timestamp_type)
                )

        asyncio.get_running_loop().call_later(self.answers_s.get(topic, 0.01), answer)
        return acked

    async def stop(self) -> None:
        self.stopped = True

    def records(self, topic: str, partition: int = 0) -> list[tuple[bytes | None, bytes | None]]:
        return [pair for batch in self.written.get((topic, partition), []) for pair in batch.records]
