"""Faust consumers that are not connected: a stock one and ours, over a thread that only notes what it is asked."""

from typing import Any

import faust
from aiokafka.structs import TopicPartition
from faust.types import TP

from agents.transport import CoalescingApp

TP0 = TP("t", 0)


def stock() -> Any:
    """A stock consumer that is not connected."""
    return _consumer(faust.App)


def ours() -> Any:
    return _consumer(CoalescingApp)


def _consumer(app_class: type[Any]) -> Any:
    app = app_class(
        f"contract-{app_class.__name__}", broker="kafka://127.0.0.1:1", store="memory://", web_enabled=False
    )
    made = app.transport.create_consumer(
        callback=_nothing, on_partitions_revoked=_nothing, on_partitions_assigned=_nothing
    )
    made._thread = _Thread()
    made.flow_active = True
    app.topics.acks_enabled_for = lambda _topic: True
    return made


async def _nothing(*_: Any, **__: Any) -> None:
    return None


class _Thread:
    """In the place of the thread that holds the real consumer."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.rewound: list[TopicPartition] = []
        self.committed: dict[TP, int | None] = {}

    async def getmany(self, active: Any, timeout: float) -> dict[TP, list[Any]]:
        self.asked.append(active)
        return {}

    async def seek_to_committed(self) -> dict[TP, int | None]:
        return self.committed

    async def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        self.rewound.extend(partitions)

    async def commit(self, offsets: dict[TP, int]) -> bool:
        self.committed.update(offsets)
        return True

    def assignment(self) -> set[TP]:
        return {TP0}

    def highwater(self, tp: TP) -> int:
        return 100
