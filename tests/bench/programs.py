"""Our own processes as a measurement starts them: with a log of their own, ended whatever happens."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from agents.stage_topics import SOURCES
from connectors.kafka import client_config
from connectors.kafka_admin import admin, ensure_topics
from connectors.lag import end_offsets
from connectors.settings import Settings, load_settings
from schemas.topics import TOPICS

POLL_S = 0.1
END_S, ANSWER_S = 20.0, 10.0


@dataclass(frozen=True, slots=True)
class Program:
    """A running `pulse` command. `started_s`: just before it was started, monotonic."""

    process: subprocess.Popen[bytes]
    log: Path
    started_s: float

    @property
    def pid(self) -> int:
        return self.process.pid

    def restored_s(self) -> float | None:
        """How long the last restore of state took, as the worker says; None before the first."""
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if '"state restored"' in line]
        return float(json.loads(lines[-1])["seconds"]) if lines else None

    def until(self, what: str, condition: Callable[[], bool], limit_s: float) -> None:
        """Wait for the condition; SystemExit with the end of the log when the process or the time has ended."""
        deadline = time.monotonic() + limit_s
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(
                    f"{what}: it ended, or not within {limit_s:g} s\n{self.log.read_text(errors='replace')[-3000:]}"
                )
            time.sleep(POLL_S)


@contextmanager
def program(environment: Mapping[str, str], name: str, *arguments: str, **more: str) -> Iterator[Program]:
    """`pulse <arguments>`; `more` is added to the environment. The log is kept beside the data, one a start."""
    number = 1
    while (log := Path(environment["PULSE_DATA_DIR"]) / f"{name}-{number}.log").exists():
        number += 1
    with log.open("wb") as file:
        started_s = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "agents.cli.main", *arguments],
            env={**os.environ, **environment, **more},
            stdout=subprocess.DEVNULL,
            stderr=file,
        )
    try:
        yield Program(process, log, started_s)
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def prepare(environment: Mapping[str, str]) -> Settings:
    """Every topic exists and has a leader; before that librdkafka 2.16 may end the process that produces."""
    settings = load_settings(environ=environment)
    ensure_topics(settings)
    client = admin(settings)
    end_offsets(client, [topic.name for topic in TOPICS], settings.partitions)
    return settings


def worker(environment: Mapping[str, str], name: str = "worker", **more: str) -> AbstractContextManager[Program]:
    """A worker in a slot of that name."""
    return program(environment, name, "worker", PULSE_WORKER__INSTANCE=name, **more)


def until_counted(settings: Settings, worker: Program, limit_s: float = 900) -> None:
    """Until the workers have counted and judged everything that was sent."""
    client = admin(settings)
    # A client of the group that never joins: librdkafka 2.16 may end a process whose admin client asks this.
    asking = Consumer({**client_config(settings), "group.id": settings.worker.group, "enable.auto.commit": False})
    wanted = [TopicPartition(topic, number) for topic in SOURCES for number in range(settings.partitions)]

    def is_counted() -> bool:
        ends = end_offsets(client, SOURCES, settings.partitions)
        try:
            committed = asking.committed(wanted, timeout=ANSWER_S)
        except KafkaException:
            return False
        return all(max(place.offset, 0) >= ends[place.topic, place.partition] for place in committed)

    try:
        worker.until("counted and judged", lambda: is_counted() and is_counted(), limit_s)
    finally:
        asking.close()
