"""Resident memory per million live window rows and per million remembered event ids.

usage: python -m tests.bench.memory
"""

import gc
import json
import sys

import psutil

from pipeline.counted import CountedState
from tests.bench.events import START_MS
from tests.partition import Rec

CAMPAIGNS = 250_000  # four windows each: a million rows
IDS = 1_000_000


def event(number: int, campaign: int) -> Rec:
    body = (
        f'{{"event_id":"{number:024x}","platform":"meta","account_id":"acc1","campaign_id":"c{campaign:07d}",'
        f'"at":{START_MS},"type":"click","spend_micros":12345,"currency":"EUR"}}'
    )
    return Rec(number, START_MS, f"meta:acc1:c{campaign:07d}".encode(), body.encode())


def rss_mb() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 1e6


def fill(state: CountedState, first: int, count: int, campaigns: int) -> None:
    for start in range(first, first + count, 10_000):
        state.count([event(number, number % campaigns) for number in range(start, min(start + 10_000, first + count))])
        state.take()


def main() -> None:
    """Ids first: memory that was given back once hides what comes after."""
    ids = CountedState("raw.events.v1", 0)
    base = rss_mb()
    fill(ids, 0, IDS, 10)
    with_ids = rss_mb()
    rows = CountedState("raw.events.v1", 0)
    before = rss_mb()
    fill(rows, 0, CAMPAIGNS, CAMPAIGNS)
    with_rows = rss_mb()
    count = len(rows.windows.rows)
    found = {
        "rows": count,
        "mb_per_million_rows": round((with_rows - before) * 1e6 / count),
        "mb_per_million_ids": round((with_ids - base) * 1e6 / IDS),
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
