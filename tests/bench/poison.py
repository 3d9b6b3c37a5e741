"""What 1 % of poisoned records costs the increment path: CPU per good event against a stream without any.

usage: python -m tests.bench.poison [--short 100000] [--long 400000] [--campaigns 1000] [--rounds 3]

Runs with and without take turns, each on a broker of its own. A run is void when the totals of the good events
differ from the recount, or when not every poisoned record, and nothing else, is a dead letter.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator

from tests.bench.events import events
from tests.bench.increments import good_events, marginal_us, one_run

GOOD_PER_BAD = 99
MOST_LOSS = 0.10

# Each makes a bad event out of a good one, as senders do; all keep about its size.
POISONS: tuple[Callable[[bytes], bytes], ...] = (
    lambda value: value[:-40],  # cut off
    lambda value: value.replace(b'"EUR"', b"978"),
    lambda value: value.replace(b'"EUR"', b'"USD"'),
    lambda value: value.replace(b'"platform":"meta",', b""),
    lambda value: value.replace(b'"at":1', b'"at":91'),  # far ahead
    lambda value: value.replace(b'"at":1', b'"at":"soon","was":1'),
    lambda value: value.replace(b'"spend_micros":', b'"spend_micros":-1'),
    lambda value: value.replace(b'"spend_micros":', b'"spend_micros":NaN,"was":'),
    lambda value: value.replace(b'"account_id":"acc1"', b'"account_id":"acc2"'),  # filed under another campaign
    lambda value: value.replace(b'"', b"\xff"),
)


def poisoned_events(count: int, campaigns: int) -> Iterator[tuple[bytes, bytes]]:
    for number, (key, value) in enumerate(events(count, campaigns=campaigns)):
        yield key, value
        if number % GOOD_PER_BAD == GOOD_PER_BAD - 1:
            yield key, POISONS[number // GOOD_PER_BAD % len(POISONS)](value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", type=int, default=100_000)
    parser.add_argument("--long", type=int, default=400_000)
    parser.add_argument("--campaigns", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    streams = {"clean": good_events, "poisoned": poisoned_events}
    runs: dict[str, dict[int, list[dict[str, float]]]] = {name: defaultdict(list) for name in streams}
    for number in range(arguments.rounds):
        for count in (arguments.short, arguments.long):
            for name, stream in streams.items():
                run = one_run(count, arguments.campaigns, stream)
                if run["letters"] != (count // GOOD_PER_BAD if name == "poisoned" else 0):
                    raise SystemExit(f"void: {run['letters']} dead letters")
                runs[name][count].append(run)
                sys.stderr.write(f"round {number + 1}, {name}: {run}\n")
    cost_us = {name: round(marginal_us(found), 2) for name, found in runs.items()}
    loss = 1 - cost_us["clean"] / cost_us["poisoned"]
    found = {"cpu_us_per_good_event": cost_us, "loss_of_throughput": round(loss, 3), "runs": runs}
    sys.stdout.write(json.dumps(found) + "\n")
    if loss > MOST_LOSS:
        raise SystemExit(f"1 % poison costs {loss:.1%} of the throughput, {MOST_LOSS:.0%} are allowed")


if __name__ == "__main__":
    main()
