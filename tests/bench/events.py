"""The same pre-built events for every system that is measured: 321-byte JSON, skewed over the campaigns."""

import hashlib
import random
from collections.abc import Iterator

EVENT_BYTES = 321
START_MS = 1_790_000_000_000


def campaign(number: int) -> str:
    return f"c{number:07d}"


def events(count: int, *, campaigns: int = 1_000, seed: int = 1, spread_s: int = 600) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) pairs. Event times move through `spread_s` seconds, a little out of order; every id is unique."""
    dice = random.Random(seed)
    kinds = ["impression"] * 90 + ["click"] * 8 + ["conversion"] * 2
    for number in range(count):
        name = campaign(int(campaigns * dice.random() ** 2))
        at = START_MS + number * spread_s * 1000 // count - dice.randrange(400)
        kind = dice.choice(kinds)
        spend = dice.randrange(1000, 90_000) if kind == "click" else 0
        body = (
            f'{{"event_id":"{dice.getrandbits(96):024x}","platform":"meta","account_id":"acc1","campaign_id":"{name}",'
            f'"ad_id":"a{dice.randrange(4)}","at":{at},"type":"{kind}","spend_micros":{spend},"currency":"EUR",'
            f'"page":"'
        )
        value = body + "x" * (EVENT_BYTES - len(body) - 2) + '"}'
        yield f"meta:acc1:{name}".encode(), value.encode()


def digest(pairs: Iterator[tuple[bytes, bytes]]) -> str:
    total = hashlib.sha256()
    for key, value in pairs:
        total.update(key + b"\0" + value)
    return total.hexdigest()[:16]
