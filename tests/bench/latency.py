"""How soon an event is in a published total, in an alert, and in ClickHouse, at 5,000 events a second.

usage: python -m tests.bench.latency [--per-s 5000] [--seconds 60] [--warm 30] [--quick] [--json]

Broker, ClickHouse, one worker and the sink on this machine; events by a schedule that is fixed beforehand
(`tests.bench.open_loop`), latencies from the moment an event was due until the reader has the record or the row.

total: the first total of a probe campaign's day that counts the event.
alert: an event that takes an hour which is over beyond a limit, with a tick right behind it; judged at the tick.
alert_next_second: the same without the tick. Hours are judged when a partition enters another second, so that no
  alert depends on how records were batched; this one includes the wait for it.
row: the first answer of the table of totals that counts the event, asked every 250 ms: at most so much too high.
A run whose sender was late measured a busy machine: it is shown and not kept.
"""

import argparse

from tests.bench.result import Result
from tests.bench.steady import steady

ASKED = {
    "total_p95_ms": 60.0,
    "total_p99_ms": 100.0,
    "alert_p95_ms": 75.0,
    "alert_p99_ms": 150.0,
    "row_p99_ms": 2_000.0,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-s", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--warm", type=float, default=30)
    parser.add_argument("--quick", action="store_true", help="8 s after 8 s of warm-up")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    seconds, warm_s = (8.0, 8.0) if arguments.quick else (arguments.seconds, arguments.warm)
    seen = steady(per_s=arguments.per_s, warm_s=warm_s, seconds=seconds)
    result = Result("latency", seen.percentiles_ms(), ASKED, [seen.as_run()], quick=arguments.quick or seen.is_void)
    result.write(as_json=arguments.json)


if __name__ == "__main__":
    main()
