"""Reading raw records again: into the live state (which must change nothing), or into a new generation of it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors import lag
from connectors.kafka_admin import admin
from connectors.settings import Settings
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured
from schemas.topics import RAW_EVENTS, RAW_GOOGLE_ADS

RAW_TOPICS = (RAW_EVENTS, RAW_GOOGLE_ADS)
HOLD = "workers.hold"  # a file in the data folder: while it is there, `pulse up` keeps its workers down
REQUEST_S = 10.0
# A static member does not leave when it ends: the group waits for its session to pass.
EMPTY_LIMIT_S = 45.0


@contextmanager
def workers_held(settings: Settings, directory: Path | None, say: Callable[[str], None]) -> Iterator[None]:
    """No worker runs inside. Workers of a system over `directory` are stopped and started again.

    Raises Misconfigured when workers run that we cannot stop.
    """
    hold = None if directory is None else directory / HOLD
    if hold is not None:
        hold.touch()
        say("stopping the workers of this machine")
    try:
        _wait_until_empty(admin(settings), settings.worker.group, say, limit_s=EMPTY_LIMIT_S if hold else 0)
        yield
    finally:
        if hold is not None:
            hold.unlink(missing_ok=True)


def _wait_until_empty(client: AdminClient, group: str, say: Callable[[str], None], *, limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while _members(client, group):
        if time.monotonic() >= deadline:
            raise Misconfigured(
                MisconfiguredCode.SETTING,
                f"workers of group {group} are running; stop them first (`pulse down`, or scale them to zero)",
            )
        time.sleep(0.5)
    say("no worker is running")


def _members(client: AdminClient, group: str) -> int:
    try:
        found = client.describe_consumer_groups([group], request_timeout=REQUEST_S)[group].result(REQUEST_S)
    except KafkaException:
        return 0  # a group that never was
    return 0 if found.state in (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD) else max(1, len(found.members))


def rewind(settings: Settings, topics: Sequence[str] = RAW_TOPICS) -> int:
    """Let the group begin again at the oldest record Kafka keeps; returns how many records that is."""
    client = admin(settings)
    committed = lag.committed_offsets(client, settings.worker.group, topics, settings.partitions)
    starts = lag.start_offsets(client, topics, settings.partitions)
    wanted = [TopicPartition(topic, number, starts[topic, number]) for topic, number in starts]
    request = [ConsumerGroupTopicPartitions(settings.worker.group, wanted)]
    client.alter_consumer_group_offsets(request)[settings.worker.group].result(REQUEST_S)
    return sum(max(0, committed.get(place, 0) - start) for place, start in starts.items())
