"""A load over very many campaigns, one of them with as large a share as is asked for."""

import random
from collections.abc import Iterator

from tests.chaos.clicks import click, closing_ticks, price, with_ticks
from tests.chaos.ledger import LedgerEvent

START_MS = 1_795_000_000_000
SPAN_MS = 600_000  # of record time, whatever the length: a total is touched again and again
TICK_MS = 10_000
HOT = "hot"


def wide(events: int, *, campaigns: int, hot_share: float = 0.0, seed: int = 1) -> Iterator[LedgerEvent]:
    """Every campaign gets its turn, so that all of them have totals; then by chance."""
    yield from with_ticks(_clicks(events, campaigns, hot_share, random.Random(seed)), TICK_MS)
    yield from closing_ticks(START_MS + SPAN_MS)


def _clicks(events: int, campaigns: int, hot_share: float, dice: random.Random) -> Iterator[LedgerEvent]:
    turn = 0
    for number in range(events):
        received_ms = START_MS + number * SPAN_MS // events
        if dice.random() < hot_share:
            campaign = HOT
        elif turn < campaigns:
            campaign, turn = f"c{turn}", turn + 1
        else:
            campaign = f"c{dice.randrange(campaigns)}"
        yield click(
            f"w-{number}",
            campaign,
            at_ms=received_ms - dice.randrange(400),
            received_ms=received_ms,
            spend_micros=price(dice),
        )
