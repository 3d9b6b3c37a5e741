"""What stands on a topic twice although it was sent once, entered in the ledger so that the oracle expects it stored.

A producer whose connection or broker went away sends again what was not acknowledged; a broker that has started again
may not know that it has it (its client then begins a new epoch, idempotent or not). `pulse dead-letters replay` puts
copies there on purpose. Either way: each is stored once, and none adds anything.
"""

import time
from collections import defaultdict

from schemas.topics import RAW_EVENTS, RAW_GOOGLE_ADS
from tests.chaos.ledger import LedgerEvent, digest_of
from tests.chaos.topic_reading import records_of
from tests.chaos.world import World


def enter_copies(world: World) -> int:
    """To be called when the load is over. How many there were; what nobody has sent is left to the oracle."""
    known: dict[tuple[str, int], set[int]] = defaultdict(set)
    sent: set[int] = set()
    for entry in world.ledger:
        known[entry.topic, entry.partition].add(entry.offset)
        sent.add(entry.digest)
    found = 0
    for topic in (RAW_EVENTS, RAW_GOOGLE_ADS):
        for partition in range(world.system.settings.partitions):
            for record in records_of(world.system.kafka.address, topic, partition):
                value = record.value
                if value is None or record.offset in known[topic, partition] or digest_of(value) not in sent:
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
