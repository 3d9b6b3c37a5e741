"""Puts records on the raw topics at a steady rate, whatever the broker is doing, and enters each ack in the ledger."""

import math
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from confluent_kafka import Producer

from tests.chaos.ledger import UNTOLD, Ledger, LedgerEvent

BATCH = 20  # records between two looks at the clock
FLUSH_LIMIT_S = 300.0


class Load:
    """A thread that sends `events` at `per_s` of those that count as own events; `join` waits for every ack.

    `allowed`: how many may be sent so far; the load waits there.
    An idempotent producer that never gives up: a record is in the topic once, or it is not acknowledged.
    """

    def __init__(
        self,
        bootstrap: str,
        events: Iterable[LedgerEvent],
        *,
        per_s: float,
        ledger: Ledger,
        allowed: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self._events, self._per_s, self._ledger, self._allowed = events, per_s, ledger, allowed
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 5,
                "message.timeout.ms": 0,
                "message.max.bytes": 12 << 20,
                "queue.buffering.max.messages": 2_000_000,
                "queue.buffering.max.kbytes": 1 << 20,
                "reconnect.backoff.max.ms": 1_000,
                "log_level": 2,
            }
        )
        self.sent = 0
        self.failure: BaseException | None = None
        self.took_s = 0.0
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def start(self) -> "Load":
        self._thread.start()
        return self

    @property
    def over(self) -> bool:
        return not self._thread.is_alive()

    def join(self, say: Callable[[str], None] = lambda _line: None) -> None:
        """Returns when everything is acknowledged. Raises what ended the load, AssertionError when acks are missing."""
        while self._thread.is_alive():
            self._thread.join(10)
            if self._thread.is_alive():
                say(f"{self.sent:,} records sent, {self._ledger.acked:,} acknowledged")
        if self.failure is not None:
            raise self.failure
        left = self._producer.flush(FLUSH_LIMIT_S)
        assert left == 0, f"{left} records were not acknowledged within {FLUSH_LIMIT_S:g} s"

    def _run(self) -> None:
        started = time.monotonic()
        try:
            for number, event in enumerate(self._events):
                if number % BATCH == 0:
                    self._producer.poll(0)
                    while number > self._allowed():
                        time.sleep(0.05)
                        started += 0.05
                        self._producer.poll(0)
                    time.sleep(max(0.0, started + number / self._per_s - time.monotonic()))
                self._send(event)
        except Exception as failure:  # noqa: BLE001 - told by `join`
            self.failure = failure
        self.took_s = time.monotonic() - started
        self._producer.flush(FLUSH_LIMIT_S)  # so that an end means that everything is acknowledged

    def _send(self, event: LedgerEvent) -> None:
        where = {} if event.partition is None else {"partition": event.partition}
        is_tick = event.value is None and event.record_key is None
        told = None if is_tick else partial(self._acked, event, time.time_ns() // 1_000_000)
        while True:
            try:
                self._producer.produce(
                    event.topic,
                    value=event.value,
                    key=event.record_key,
                    timestamp=event.received_ms,
                    on_delivery=told,
                    **where,
                )
            except BufferError:
                self._producer.poll(0.1)
                continue
            self.sent += 1
            self._ledger.handed_over += not is_tick
            return

    def _acked(self, event: LedgerEvent, sent_ms: int, error: Any, message: Any) -> None:
        if error is not None:
            self._ledger.refused.append(f"{event.event_id}: {error}")
            return
        offset = UNTOLD if message.offset() is None else message.offset()
        self._ledger.add(event, partition=message.partition(), offset=offset, sent_ms=sent_ms)
