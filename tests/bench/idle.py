"""What one worker costs at a low rate: processors used at 5,000 events a second, and at none.

usage: python -m tests.bench.idle [--per-s 5000] [--seconds 60] [--warm 30] [--quick] [--json]

The load is that of `tests.bench.latency`, whose latencies are told beside it: a cost at others would say nothing.
Broker and ClickHouse are not counted; the sink is counted apart.
"""

import argparse
import sys

from tests.bench.result import Result
from tests.bench.steady import PARTS, steady

ASKED = {"worker_cores_at_load": 0.25, "total_p95_ms": 60.0, "total_p99_ms": 100.0}
WORKER, SINK = PARTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-s", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--warm", type=float, default=30)
    parser.add_argument("--quick", action="store_true", help="8 s after 8 s of warm-up")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    seconds, warm_s = (8.0, 8.0) if arguments.quick else (arguments.seconds, arguments.warm)
    values: dict[str, float | None] = {}
    runs, is_void = [], False
    for per_s, label in ((0, "at_rest"), (arguments.per_s, "at_load")):
        seen = steady(per_s=per_s, warm_s=warm_s, seconds=seconds)
        is_void |= seen.is_void
        runs.append({"per_s": per_s, **seen.as_run()})
        sys.stderr.write(f"{runs[-1]}\n")
        values[f"worker_cores_{label}"] = seen.cores[WORKER]
        values[f"sink_cores_{label}"] = seen.cores[SINK]
        if per_s:
            values |= {name: value for name, value in seen.percentiles_ms().items() if name in ASKED}
    Result("idle", values, ASKED, runs, quick=arguments.quick or is_void).write(as_json=arguments.json)


if __name__ == "__main__":
    main()
