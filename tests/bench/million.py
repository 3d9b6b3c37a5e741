"""CPU per event where nearly every event is a new row: a million campaigns, spread evenly.

usage: python -m tests.bench.million [--campaigns 1000000] [--short 250000] [--long 750000] [--rounds 2] [--quick]

The job of `tests.bench.increments` (raw to totals, changelog, judge, commit; totals checked against a recount) with
campaigns drawn evenly: of 750,000 events more than two thirds are the first of their campaign. An event without an ad
makes four rows, one of an ad six; these have none. Marginal cost: the difference of two lengths. Memory: of the long.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psutil

from tests.bench.events import EVENT_BYTES, START_MS
from tests.bench.increments import broker, published_days
from tests.bench.process_cpu import tree_cpu_s
from tests.bench.programs import prepare, until_counted, worker
from tests.bench.restore import produce
from tests.bench.result import Result

ASKED = {"cpu_us_per_event": 16.0}
SPEND_MICROS = 12_345


def events(count: int, campaigns: int) -> Iterator[tuple[bytes, bytes]]:
    dice = random.Random(7)
    for number in range(count):
        name = f"c{dice.randrange(campaigns):07d}"
        body = (
            f'{{"event_id":"{number:024x}","platform":"meta","account_id":"acc1","campaign_id":"{name}",'
            f'"at":{START_MS},"type":"click","spend_micros":{SPEND_MICROS},"currency":"EUR","page":"'
        )
        yield f"meta:acc1:{name}".encode(), (body + "x" * (EVENT_BYTES - len(body) - 2) + '"}').encode()


def one_run(count: int, campaigns: int) -> dict[str, Any]:
    with broker() as environment:
        settings = prepare(environment)
        produce(settings, events(count, campaigns))
        with worker(environment) as counting:
            until_counted(settings, counting)
            cpu_s, rss_mb = tree_cpu_s(counting.pid), psutil.Process(counting.pid).memory_info().rss / 1e6
        counted = Counter(key.decode() for key, _ in events(count, campaigns))
        if published_days(settings) != {key: (n, n * SPEND_MICROS) for key, n in counted.items()}:
            raise SystemExit("void: the totals differ from the recount")
        return {"events": count, "new_rows": len(counted) * 4, "cpu_s": round(cpu_s, 2), "rss_mb": round(rss_mb)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaigns", type=int, default=1_000_000)
    parser.add_argument("--short", type=int, default=250_000)
    parser.add_argument("--long", type=int, default=750_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a fifth of the lengths, one round")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    share = 5 if arguments.quick else 1
    lengths = (arguments.short // share, arguments.long // share)
    runs = []
    for _ in range(1 if arguments.quick else arguments.rounds):
        for count in lengths:
            runs.append(one_run(count, arguments.campaigns))
            sys.stderr.write(f"{runs[-1]}\n")
    least, most = (min((run for run in runs if run["events"] == n), key=lambda run: run["cpu_s"]) for n in lengths)
    values = {
        "cpu_us_per_event": round((most["cpu_s"] - least["cpu_s"]) * 1e6 / (lengths[1] - lengths[0]), 2),
        "new_rows_per_event": round(most["new_rows"] / lengths[1], 2),
        "rss_mb": float(most["rss_mb"]),
    }
    Result("million", values, ASKED, runs, quick=arguments.quick).write(as_json=arguments.json)


if __name__ == "__main__":
    main()
