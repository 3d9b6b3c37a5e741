"""The ledger: every record a harness has put on a topic and the broker has acknowledged, one JSON line each.

Written by the load, read by the oracle; nothing of the pipeline is used. Amounts are micros, instants Unix ms.
"""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from schemas.topics import RAW_EVENTS


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """A record to put on a raw topic, and what the totals owe it.

    `campaign`: its key, `platform:account:campaign`. `value` None: a tick, which is no event and is not kept in the
    ledger (`partition` is needed). `partition` None: where the key belongs. `received_ms` is the record's timestamp.
    `counts` False: it is stored raw and adds nothing (a repeat, a report row of no figures, something unreadable).
    `row`: of a report row its natural key, and its `window` and `start_ms`: the newest of them holds, nothing is added.
    `key` None: the campaign's.
    """

    event_id: str
    campaign: str
    at_ms: int
    received_ms: int
    value: bytes | None
    spend_micros: int = 0
    impressions: int = 0
    clicks: int = 0
    conversions_micros: int = 0
    revenue_micros: int = 0
    zone: str = "UTC"
    counts: bool = True
    partition: int | None = None
    topic: str = RAW_EVENTS
    row: str = ""
    window: str = ""
    start_ms: int = 0
    key: bytes | None = None

    @property
    def record_key(self) -> bytes | None:
        if self.key is not None:
            return self.key or None
        return self.campaign.encode() or None


UNTOLD = -1  # of an offset: the broker had the record already when it was sent again, and does not say where
MEASURES = ("impressions", "clicks", "spend_micros", "conversions_micros", "revenue_micros")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `digest`: of the value, as `digest_of`; `sent_ms`: wall clock when it was handed to the producer."""

    event_id: str
    topic: str
    partition: int
    offset: int  # or UNTOLD
    digest: int
    sent_ms: int
    campaign: str
    at_ms: int
    received_ms: int
    zone: str
    counts: bool
    row: str
    window: str
    start_ms: int
    measures: tuple[int, ...]  # in the order of MEASURES


def digest_of(value: bytes) -> int:
    """The first eight bytes of the MD5, little-endian: what ClickHouse can compute as well."""
    return int.from_bytes(hashlib.md5(value, usedforsecurity=False).digest()[:8], "little")


class Ledger:
    """A file of acknowledged records. `add` may come from any thread; reading goes through the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.acked = 0
        self.handed_over = 0  # to the producer
        self.refused: list[str] = []  # what the producer gave up
        self._lock = threading.Lock()
        self._file = path.open("ab")

    def add(self, event: LedgerEvent, *, partition: int, offset: int, sent_ms: int) -> None:
        line = orjson.dumps(_line(event, partition, offset, sent_ms), option=orjson.OPT_APPEND_NEWLINE)
        with self._lock:
            self.acked += 1
            self._file.write(line)

    def close(self) -> None:
        with self._lock:
            self._file.close()

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            if not self._file.closed:
                self._file.flush()
        with self.path.open("rb") as lines:
            for line in lines:
                fields: list[Any] = orjson.loads(line)
                fields[-1] = tuple(fields[-1])
                yield Entry(*fields)


def _line(event: LedgerEvent, partition: int, offset: int, sent_ms: int) -> list[Any]:
    return [
        event.event_id,
        event.topic,
        partition,
        offset,
        digest_of(event.value or b""),
        sent_ms,
        event.campaign,
        event.at_ms,
        event.received_ms,
        event.zone,
        event.counts,
        event.row,
        event.window,
        event.start_ms,
        [getattr(event, measure) for measure in MEASURES],
    ]
