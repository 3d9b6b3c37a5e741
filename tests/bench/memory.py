"""Resident memory per million live window rows, just counted and just restored, and per million remembered event ids.

usage: python -m tests.bench.memory [--quick] [--json]

Each figure is the growth of a process of its own. Rows: 250,000 campaigns with four windows each, with their campaigns
and one event id each. Restored rows: the same, read back from their changelog, with what the changelog itself keeps.
Ids: 24 bytes, of 10 campaigns.
"""

import argparse
import gc
import multiprocessing
import pickle
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import psutil

from pipeline.changelog import HEADER, Changelog, header_of
from pipeline.counted import CountedState
from pipeline.state import KeptRow
from tests.bench.events import START_MS
from tests.bench.result import Result
from tests.partition import Rec

ASKED = {"mb_per_million_rows": 500.0, "mb_per_million_rows_restored": 500.0, "mb_per_million_ids": 80.0}
ROWS_OF_CAMPAIGN, ID_CAMPAIGNS, STEP = 4, 10, 10_000


def event(number: int, campaign: int) -> Rec:
    body = (
        f'{{"event_id":"{number:024x}","platform":"meta","account_id":"acc1","campaign_id":"c{campaign:07d}",'
        f'"at":{START_MS},"type":"click","spend_micros":12345,"currency":"EUR"}}'
    )
    return Rec(number, START_MS, f"meta:acc1:c{campaign:07d}".encode(), body.encode())


def rss_mb() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss) / 1e6


def fill(state: CountedState, count: int, campaigns: int) -> Iterator[list[tuple[bytes, KeptRow]]]:
    """Count so many events; gives what every take would write to the changelog."""
    for start in range(0, count, STEP):
        state.count([event(number, number % campaigns) for number in range(start, min(start + STEP, count))])
        yield list(state.take().rows)


def counted_mb(count: int, campaigns: int) -> float:
    state = CountedState("raw.events.v1", 0)
    before = rss_mb()
    for _ in fill(state, count, campaigns):
        pass
    return rss_mb() - before


def write_changelog(file: Path, campaigns: int) -> float:
    changelog = Changelog(b"0123456789ab")
    with file.open("wb") as out:
        for rows in fill(CountedState("raw.events.v1", 0), campaigns, campaigns):
            pickle.dump(list(changelog.write(rows)), out)
    return 0.0


def restored_mb(file: Path, records: int) -> float:
    changelog, state = Changelog(b"ba9876543210"), CountedState("raw.events.v1", 0)
    before = rss_mb()
    with file.open("rb") as written:
        for _ in range(records):
            changelog.read(Rec(0, 0, key, value) for key, value in pickle.load(written))
    header = header_of(changelog.pick(HEADER), topic="raw.events.v1", topic_id="")
    first = [] if header is None else [(HEADER, header)]
    state.load(chain(first, changelog.drain()), counted_to=-1 if header is None else header[2])
    changelog.forget_keys()
    return rss_mb() - before


def apart(measure: Callable[..., float], *arguments: object) -> float:
    """In a process of its own: memory that was given back once hides what comes after."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, arguments)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the rows and ids")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    count = 1_000_000 // (5 if arguments.quick else 1)
    campaigns = count // ROWS_OF_CAMPAIGN
    with tempfile.TemporaryDirectory(prefix="pulse-bench-") as folder:
        file = Path(folder) / "changelog"
        apart(write_changelog, file, campaigns)
        grown = {
            "mb_per_million_rows": apart(counted_mb, campaigns, campaigns),
            "mb_per_million_rows_restored": apart(restored_mb, file, -(-campaigns // STEP)),
            "mb_per_million_ids": apart(counted_mb, count, ID_CAMPAIGNS),
        }
    values = {name: float(round(mb * 1e6 / count)) for name, mb in grown.items()}
    Result("memory", values, ASKED, [values], quick=arguments.quick).write(as_json=arguments.json)


if __name__ == "__main__":
    main()
