"""The broker of a measurement: topics that are made once, and what a system wrote, read back."""

import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from connectors.lag import committed_offsets, end_offsets

PARTITIONS = 4
ADMIN_S = 30.0


@dataclass
class Cluster:
    """Topics are never re-created under their name: every run gets new ones."""

    bootstrap: str
    partitions: int = PARTITIONS
    prefix: str = "bench"
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    @cached_property
    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def next_run(self, system: str) -> str:
        """A name nobody had before, for the topics and the group of one run."""
        return f"{self.prefix}.{next(self._numbers)}.{system}"

    def create(self, *names: str) -> None:
        topics = [
            NewTopic(name, self.partitions, 1, config={"retention.ms": "-1", "max.message.bytes": str(12 << 20)})
            for name in names
        ]
        for answer in self.admin.create_topics(topics, operation_timeout=ADMIN_S).values():
            answer.result(ADMIN_S)
        wait_for_leaders(self.admin, names, self.partitions)

    def delete_of(self, run: str) -> None:
        """The topics a run made, so that the disk does not fill; the names are not used again."""
        names = [name for name in self.admin.list_topics(timeout=ADMIN_S).topics if name.startswith(run)]
        if names:
            for answer in self.admin.delete_topics(names, operation_timeout=ADMIN_S).values():
                answer.result(ADMIN_S)

    def committed(self, group: str, topic: str) -> int:
        """Records of the topic the group has committed."""
        return sum(committed_offsets(self.admin, group, [topic], self.partitions).values())

    def ends(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        return end_offsets(self.admin, topics, self.partitions)


def wait_for_leaders(admin: AdminClient, names: Sequence[str], partitions: int) -> None:
    """Until every partition of the new topics answers as its leader.

    librdkafka 2.16 ends the process (segmentation fault) when it produces or fetches in the moment between a
    topic's creation and that: the broker then names -1 as the leader.
    """
    end_offsets(admin, names, partitions)  # asks again until the leaders answer


def wait_for_groups(bootstrap: str, topic: str) -> None:
    """Until the broker has made its offsets topic, which it does at the first question: that is nobody's cost.

    librdkafka 2.16 ends the process (segmentation fault) when an admin client asks for the offsets of a group before.
    """
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench.first", "log_level": 0})
    deadline = time.monotonic() + ADMIN_S
    while True:
        try:
            consumer.committed([TopicPartition(topic, 0)], timeout=ADMIN_S)
            break
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    consumer.close()


class OutTopic:
    """The totals a peer publishes, followed while it runs: the last record of a (campaign, window) holds."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self._cluster, self._topic = cluster, topic
        self.totals: dict[tuple[str, int], tuple[int, int, int, int]] = {}
        self.events = 0  # that the totals hold
        self.records = 0
        self._next = dict.fromkeys(range(cluster.partitions), 0)
        self._consumer = Consumer(
            {
                "bootstrap.servers": cluster.bootstrap,
                "group.id": f"{topic}.reader",
                "enable.auto.commit": False,
                "log.connection.close": False,
                "fetch.wait.max.ms": 50,
                "isolation.level": "read_committed",
            }
        )
        self._consumer.assign([TopicPartition(topic, number, 0) for number in self._next])

    def read(self, wait_s: float) -> None:
        """What has come since; waits for so long when nothing has."""
        for message in self._consumer.consume(20_000, timeout=wait_s):
            if message.error() is not None:
                raise SystemExit(f"reading {self._topic}: {message.error()}")
            self._next[message.partition() or 0] = (message.offset() or 0) + 1
            self.records += 1
            if message.value() is None:
                continue
            row = json.loads(message.value() or b"")
            place = (str(row["campaign"]), int(row["window_ms"]))
            new = tuple(int(row[name]) for name in ("impressions", "clicks", "conversions", "spend_micros"))
            impressions, clicks, conversions, spend = new
            known = self.totals.get(place, (0, 0, 0, 0))
            self.events += impressions + clicks + conversions - sum(known[:3])
            self.totals[place] = (impressions, clicks, conversions, spend)

    def read_to_end(self, quiet_s: float = 1.0) -> None:
        """Everything that is there; transactions leave markers behind, so a position may never reach the end."""
        while True:
            before = self.records
            self.read(quiet_s)
            if self.records == before:
                return

    def close(self) -> None:
        self._consumer.close()
