"""CPU per platform row of the snapshot path's core: bytes to differences, no broker, one process.

usage: python -m tests.bench.snapshot_core [--campaigns 500] [--rounds 7] [--profile unchanged|changed|first]

Timed: `count` of fetched batches, `take`, and the changelog records of what was taken. Minimum of the rounds. A run is
void when the published totals are not the generator's.
"""

import argparse
import cProfile
import gc
import json
import pstats
import sys
import time
from collections.abc import Sequence

from pipeline.changelog import Changelog
from pipeline.reported import ReportedState
from schemas.topics import RAW_GOOGLE_ADS, TOTALS
from tests.bench.report_rows import ADS, DAYS, HOURS, RawRow, clicks_of, run
from tests.partition import Rec

BATCH = 1_500  # records of a fetch of 1 MB
FLUSH = 6_000  # records between two flushes


class Partition:
    """One state with its changelog; remembers the clicks of the newest version of every total."""

    def __init__(self) -> None:
        self.state = ReportedState(RAW_GOOGLE_ADS, 0, project_of=lambda *_: "default")
        self.changelog = Changelog(b"0123456789ab")
        self.offset = 0
        self.clicks: dict[bytes, int] = {}

    def records(self, rows: Sequence[RawRow]) -> list[Rec]:
        records = [Rec(self.offset + number, row.timestamp_ms, row.key, row.value) for number, row in enumerate(rows)]
        self.offset += len(records)
        return records

    def read(self, records: list[Rec], profile: cProfile.Profile | None = None) -> dict[str, float]:
        """CPU microseconds per record of each part."""
        outputs = []
        counting = taking = writing = 0
        if profile:
            profile.enable()
        for flush in range(0, len(records), FLUSH):
            upto = min(flush + FLUSH, len(records))
            started = time.process_time_ns()
            for batch in range(flush, upto, BATCH):
                self.state.count(records[batch : min(batch + BATCH, upto)])
            counted = time.process_time_ns()
            taken = self.state.take()
            was_taken = time.process_time_ns()
            self.changelog.write(taken.rows)
            writing += time.process_time_ns() - was_taken
            counting += counted - started
            taking += was_taken - counted
            outputs.append(taken.outputs)
        if profile:
            profile.disable()
        for some in outputs:
            for topic, key, value in some:
                if topic == TOTALS and key is not None:
                    self.clicks[key] = json.loads(value)["clicks"]
        each = 1000 * len(records)
        return {"count": counting / each, "take": taking / each, "changelog": writing / each}


def check(partition: Partition, campaigns: int, figures: int) -> None:
    expected = sum(
        clicks_of(campaign, place, figures)
        for campaign in range(campaigns)
        for count in (HOURS, ADS, DAYS)
        for place in range(count)
    )
    found = sum(partition.clicks.values())
    if found != expected:
        raise SystemExit(f"void: {found} clicks published, {expected} expected")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaigns", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--profile", choices=["first", "unchanged", "changed"])
    arguments = parser.parse_args()
    best: dict[str, dict[str, float]] = {}
    profile = cProfile.Profile()
    for _ in range(arguments.rounds):
        partition = Partition()
        for number, (kind, figures) in enumerate([("first", 0), ("unchanged", 0), ("changed", 1)]):
            records = partition.records(list(run(number, campaigns=arguments.campaigns, figures=figures)))
            gc.collect()
            spent = partition.read(records, profile if arguments.profile == kind else None)
            check(partition, arguments.campaigns, figures)
            if kind not in best or sum(spent.values()) < sum(best[kind].values()):
                best[kind] = spent
    if arguments.profile:
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(25)
    us = {kind: {part: round(value, 2) for part, value in spent.items()} for kind, spent in best.items()}
    found = {"cpu_us_per_row": us, "rows": len(partition.state.rows)}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
