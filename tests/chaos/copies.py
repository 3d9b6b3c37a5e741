"""What stands on a topic twice although it was sent once, entered in the ledger so that the oracle expects it stored.

A producer whose connection or broker went away sends again what was not acknowledged; a broker that has started again
may not know that it has it (its client then begins a new epoch, idempotent or not). `pulse dead-letters replay` puts
copies there on purpose. Either way: each is stored once, and none adds anything.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable

from schemas.topics import RAW_EVENTS, RAW_GOOGLE_ADS
from tests.chaos.ledger import UNTOLD, Entry, LedgerEvent, digest_of
from tests.chaos.topic_reading import records_of
from tests.chaos.world import World


def enter_copies(world: World) -> int:
    """To be called when the load is over. How many there were; what nobody has sent is left to the oracle."""
    places = Places(world.ledger)
    found = 0
    for topic in (RAW_EVENTS, RAW_GOOGLE_ADS):
        for partition in range(world.system.settings.partitions):
            for record in records_of(world.system.kafka.address, topic, partition):
                value = record.value
                if value is None or not places.is_copy(topic, partition, record.offset, digest_of(value)):
                    continue
                copy = LedgerEvent(
                    event_id="a copy",
                    campaign=(record.key or b"").decode(),
                    at_ms=record.timestamp,
                    received_ms=record.timestamp,
                    value=value,
                    counts=False,
                    topic=topic,
                )
                world.ledger.handed_over += 1
                world.ledger.add(copy, partition=partition, offset=record.offset, sent_ms=time.time_ns() // 1_000_000)
                found += 1
    return found


class Places:
    """Where the records of a ledger stand. Ask for the records of a topic once each, in their order."""

    def __init__(self, ledger: Iterable[Entry]) -> None:
        self._known: dict[tuple[str, int], set[int]] = defaultdict(set)
        self._untold: Counter[tuple[str, int, int]] = Counter()
        self._sent: set[int] = set()
        for entry in ledger:
            if entry.offset == UNTOLD:
                self._untold[entry.topic, entry.partition, entry.digest] += 1
            else:
                self._known[entry.topic, entry.partition].add(entry.offset)
            self._sent.add(entry.digest)

    def is_copy(self, topic: str, partition: int, offset: int, digest: int) -> bool:
        """Whether it was sent, and stands here once more than the ledger has it."""
        if offset in self._known[topic, partition] or digest not in self._sent:
            return False
        if self._untold[topic, partition, digest]:
            self._untold[topic, partition, digest] -= 1
            return False
        return True
