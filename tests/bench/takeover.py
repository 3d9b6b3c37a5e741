"""How long totals stand still after `kill -9` of one of two workers, under load.

usage: python -m tests.bench.takeover [--per-s 2000] [--rounds 3] [--quick] [--json]

takes_over: the killed worker stays away and the other takes its partitions, once the group has missed it for the
session time-out. restarts: the killed worker is started again at once in the same slot, as a supervisor does. Measured
in the totals topic: the longest silence of any partition from the kill on, beside the longest before it.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from connectors.kafka_admin import admin
from connectors.lag import end_offsets
from connectors.settings import Settings
from schemas.topics import TOTALS
from tests.bench.increments import broker
from tests.bench.open_loop import Schedule, send
from tests.bench.programs import Program, prepare, until_counted, worker
from tests.bench.result import Result

ASKED = {"takes_over_s": 12.0, "restarts_s": 5.0}
BEFORE_S, AFTER_S = 6.0, 22.0
JOIN_S = 60.0


class Silence:
    """When each partition of the totals topic last said something."""

    def __init__(self, settings: Settings) -> None:
        client = admin(settings)
        ends = end_offsets(client, [TOTALS], settings.partitions)
        self._consumer = Consumer({"bootstrap.servers": settings.kafka.bootstrap_servers, "group.id": "bench"})
        self._consumer.assign([TopicPartition(TOTALS, partition, end) for (_, partition), end in ends.items()])
        self._last = dict.fromkeys(range(settings.partitions), time.monotonic())

    def longest_s(self, seconds: float) -> float:
        """The longest silence of a partition that ends, or still lasts, within the next `seconds`."""
        until_s, longest = time.monotonic() + seconds, 0.0
        while (now_s := time.monotonic()) < until_s:
            messages = self._consumer.consume(1_000, timeout=0.05)
            now_s = time.monotonic()
            for partition in {message.partition() or 0 for message in messages}:
                longest = max(longest, now_s - self._last[partition])
                self._last[partition] = now_s
        return max(longest, *(until_s - last for last in self._last.values()))

    def close(self) -> None:
        self._consumer.close()


def until_shared(workers: tuple[Program, Program]) -> None:
    """Both have partitions: each has restored its share, and neither all."""
    for one in workers:
        one.until("partitions shared", lambda one=one: one.restored_s() is not None, JOIN_S)  # type: ignore[misc]


def one_round(kind: str, per_s: int) -> dict[str, Any]:
    with broker() as environment, ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        settings = prepare(environment)
        with ExitStack() as stack, worker(environment, "worker-2") as other:
            killed = stack.enter_context(worker(environment, "worker-1"))
            until_shared((killed, other))
            schedule = Schedule(time.monotonic() + 2, per_s, BEFORE_S + AFTER_S + 6)
            sending = pool.submit(send, settings, schedule)
            time.sleep(5)  # the first totals are out
            silence = Silence(settings)
            before_s = silence.longest_s(BEFORE_S)
            killed.process.kill()
            if kind == "restarts":
                stack.enter_context(worker(environment, "worker-1"))
            after_s = silence.longest_s(AFTER_S)
            silence.close()
            sending.result()
            until_counted(settings, other)
        return {"kind": kind, "silence_before_s": round(before_s, 2), "silence_after_s": round(after_s, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-s", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    runs: list[Mapping[str, Any]] = []
    for _ in range(1 if arguments.quick else arguments.rounds):
        for kind in ("restarts", "takes_over"):
            runs.append(one_round(kind, arguments.per_s))
            sys.stderr.write(f"{runs[-1]}\n")
    values: dict[str, float | None] = {
        f"{kind}_s": max(run["silence_after_s"] for run in runs if run["kind"] == kind)
        for kind in ("takes_over", "restarts")
    }
    Result("takeover", values, ASKED, runs, quick=arguments.quick).write(as_json=arguments.json)


if __name__ == "__main__":
    main()
