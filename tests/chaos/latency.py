"""How long an event took from the producer's hands to the first published total that contains it, in real ms."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson

from schemas.topics import RAW_EVENTS, TOTALS
from tests.chaos.ledger import UNTOLD, Entry
from tests.chaos.topic_reading import Record, records_of

PROBES = 20_000  # at most so many events are looked at
MARK = b"|||counted|1d|"  # campaign days of own events


@dataclass(frozen=True, slots=True)
class Latency:
    """Of `probes` events; `unseen` of them are in no published total."""

    probes: int
    unseen: int
    p50_ms: float
    p99_ms: float
    max_ms: float


def latency(ledger: Iterable[Entry], published: Iterable[Record], *, sent: int) -> Latency:
    """`published`: the totals topic. Both wall clocks are of this machine."""
    reached = _reached(published)
    step = max(1, sent // PROBES)
    own = (entry for entry in ledger if entry.counts and not entry.row and entry.topic == RAW_EVENTS)
    waits: list[int] = []
    unseen = 0
    for number, entry in enumerate(own):
        if number % step or entry.offset == UNTOLD:
            continue
        offsets, firsts = reached.get(entry.campaign, ([], []))
        index = bisect_left(offsets, entry.offset)
        if index == len(offsets):
            unseen += 1
        else:
            waits.append(max(0, firsts[index] - entry.sent_ms))
    waits.sort()
    return Latency(len(waits) + unseen, unseen, _at(waits, 0.5), _at(waits, 0.99), _at(waits, 1.0))


def _reached(published: Iterable[Record]) -> dict[str, tuple[list[int], list[int]]]:
    """By campaign: source offsets in ascending order, and when a total that contains so much was first published."""
    seen: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for record in published:
        if record.key is not None and record.value is not None and MARK in record.key:
            total = orjson.loads(record.value)
            seen[total["campaign_key"]].append((total["source_offset"], record.timestamp))
    reached: dict[str, tuple[list[int], list[int]]] = {}
    for campaign, pairs in seen.items():
        pairs.sort()
        offsets, firsts = [offset for offset, _ in pairs], [at_ms for _, at_ms in pairs]
        for index in range(len(firsts) - 2, -1, -1):
            firsts[index] = min(firsts[index], firsts[index + 1])
        reached[campaign] = (offsets, firsts)
    return reached


def _at(waits: list[int], share: float) -> float:
    return float(waits[min(len(waits) - 1, int(len(waits) * share))]) if waits else 0.0


def published_totals(bootstrap: str, partitions: int) -> Iterator[Record]:
    for number in range(partitions):
        yield from records_of(bootstrap, TOTALS, number)
