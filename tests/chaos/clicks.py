"""Events for scenarios with a load of their own: clicks of Meta campaigns, each with what the totals owe it."""

import random
import time
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from tests.chaos.ledger import LedgerEvent

PLATFORM, ACCOUNT = "meta", "act_chaos"
CURRENCY = "EUR"
PARTITIONS, CAMPAIGNS = 4, 20
HOUR_MS = 3_600_000


def click(
    event_id: str,
    campaign: str,
    *,
    at_ms: int,
    received_ms: int,
    spend_micros: int,
    zone: str = "UTC",
    without: tuple[str, ...] = (),
    **fields: Any,
) -> LedgerEvent:
    """`fields` are added to the event or replace what it says, `without` is left out; what is owed stays."""
    body = {
        "event_id": event_id,
        "platform": PLATFORM,
        "account_id": ACCOUNT,
        "campaign_id": campaign,
        "at": at_ms,
        "type": "click",
        "spend_micros": spend_micros,
        "currency": CURRENCY,
        "zone": zone,
        **fields,
    }
    for name in without:
        del body[name]
    return LedgerEvent(
        event_id=event_id,
        campaign=f"{PLATFORM}:{ACCOUNT}:{campaign}",
        at_ms=at_ms,
        received_ms=received_ms,
        value=orjson.dumps(body),
        spend_micros=spend_micros,
        clicks=1,
        zone=zone,
    )


def price(dice: random.Random) -> int:
    """Micros of a click, never a round number of cents."""
    return dice.randrange(100_001, 1_500_000)


def ticks(received_ms: int) -> Iterator[LedgerEvent]:
    """One for each partition: time has come this far."""
    for partition in range(PARTITIONS):
        yield LedgerEvent("", "", received_ms, received_ms, None, counts=False, partition=partition)


def with_ticks(events: Iterable[LedgerEvent], every_ms: int = 1_000) -> Iterator[LedgerEvent]:
    """The events, in their order, and ticks between them whenever so much time has passed."""
    next_ms = 0
    for event in events:
        if event.received_ms >= next_ms:
            yield from ticks(event.received_ms)
            next_ms = event.received_ms - event.received_ms % every_ms + every_ms
        yield event


def present(events: int, per_s: float, seed: int = 1) -> Iterator[LedgerEvent]:
    """Clicks that happen now, at the pace at which they are sent, and in the end an hour that is over."""
    dice = random.Random(seed)
    start_ms = time.time_ns() // 1_000_000

    def clicks() -> Iterator[LedgerEvent]:
        for number in range(events):
            received_ms = start_ms + int(number * 1000 / per_s)
            yield click(
                f"now-{number}",
                f"c{dice.randrange(CAMPAIGNS)}",
                at_ms=received_ms - dice.randrange(500),
                received_ms=received_ms,
                spend_micros=price(dice),
            )

    yield from with_ticks(clicks())
    yield from closing_ticks(start_ms + int(events * 1000 / per_s))


def closing_ticks(end_ms: int) -> Iterator[LedgerEvent]:
    """What was corrected is published, and every window up to a day and two hours is over."""
    yield from ticks(end_ms + HOUR_MS)
    yield from ticks(end_ms + 26 * HOUR_MS)
