"""What a second worker costs: CPU per event of two workers together against one, and whether both have work.

usage: python -m tests.bench.scaling [--short 150000] [--long 600000] [--campaigns 1000] [--rounds 2] [--quick] [--json]

The job of `tests.bench.increments`; the workers have joined before, and stand still until all events are there: what
comes slower than it could be counted costs by the second, not by the event. Marginal cost by the difference of
two lengths, CPU of all workers together. A run is void when the totals differ from the recount.
"""

import argparse
import os
import signal
import sys
from contextlib import ExitStack
from typing import Any

from connectors.kafka_admin import admin
from connectors.lag import end_offsets
from schemas.topics import RAW_EVENTS, TOTALS
from tests.bench.increments import broker, expected_days, good_events, produce, published_days
from tests.bench.process_cpu import tree_cpu_s
from tests.bench.programs import prepare, until_counted, worker
from tests.bench.result import Result

ASKED = {"two_against_one": 1.1, "idle_partitions": 0.0}
JOIN_S = 60.0
SESSION_S = "300"  # the group keeps a place for as long as the events take to be sent


def one_run(workers: int, count: int, campaigns: int) -> dict[str, Any]:
    with broker() as environment, ExitStack() as stack:
        settings = prepare(environment)
        names = [f"worker-{number}" for number in range(workers)]
        running = [stack.enter_context(worker(environment, name, PULSE_WORKER__SESSION_S=SESSION_S)) for name in names]
        for one in running:
            one.until("joined", lambda one=one: one.restored_s() is not None, JOIN_S)  # type: ignore[misc]
        before = [tree_cpu_s(one.pid) for one in running]
        for one in running:
            os.kill(one.pid, signal.SIGSTOP)
        produce(settings, count, campaigns, good_events)
        for one in running:
            os.kill(one.pid, signal.SIGCONT)
        until_counted(settings, running[0])
        spent = [round(tree_cpu_s(one.pid) - start_s, 2) for one, start_s in zip(running, before, strict=True)]
        client = admin(settings)
        raw, totals = (end_offsets(client, [topic], settings.partitions) for topic in (RAW_EVENTS, TOTALS))
        idle = [place[1] for place, end in raw.items() if end and not totals[TOTALS, place[1]]]
        if published_days(settings) != expected_days(count, campaigns):
            raise SystemExit("void: the totals differ from the recount")
        return {"workers": workers, "events": count, "cpu_s": sum(spent), "of_each_s": spent, "idle": idle}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", type=int, default=150_000)
    parser.add_argument("--long", type=int, default=600_000)
    parser.add_argument("--campaigns", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a third of the lengths, one round")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    lengths = [n // 3 if arguments.quick else n for n in (arguments.short, arguments.long)]
    runs = []
    for _ in range(1 if arguments.quick else arguments.rounds):
        for count in lengths:
            for workers in (1, 2):
                runs.append(one_run(workers, count, arguments.campaigns))
                sys.stderr.write(f"{runs[-1]}\n")
    cost: dict[int, float] = {}
    for workers in (1, 2):
        least, most = (min(r["cpu_s"] for r in runs if r["workers"] == workers and r["events"] == n) for n in lengths)
        cost[workers] = (most - least) * 1e6 / (lengths[1] - lengths[0])
    shares = [min(run["of_each_s"]) / run["cpu_s"] for run in runs if run["workers"] == 2]
    values = {
        "one_worker_us_per_event": round(cost[1], 2),
        "two_workers_us_per_event": round(cost[2], 2),
        "two_against_one": round(cost[2] / cost[1], 3),
        "idle_partitions": float(max(len(run["idle"]) for run in runs)),
        "least_share_of_a_worker": round(min(shares), 2),
    }
    Result("scaling", values, ASKED, runs, quick=arguments.quick).write(as_json=arguments.json)


if __name__ == "__main__":
    main()
