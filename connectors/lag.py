"""How far a consumer group or the sink is behind, from the broker's own figures.

Faust's built-in lag counts from the last record read and leaves silent partitions out; this one does not.
"""

import time
from collections.abc import Iterable

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

REQUEST_S = 10.0
ATTEMPTS, PAUSE_S = 40, 0.25
_COORDINATOR_STARTS = frozenset(
    {KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.NOT_COORDINATOR}
)


def end_offsets(admin: AdminClient, topics: Iterable[str], partitions: int) -> dict[tuple[str, int], int]:
    """(topic, partition) -> the offset the next record will get."""
    wanted = {TopicPartition(topic, number): OffsetSpec.latest() for topic in topics for number in range(partitions)}
    answers = admin.list_offsets(wanted, request_timeout=REQUEST_S)
    return {(tp.topic, tp.partition): answer.result(REQUEST_S).offset for tp, answer in answers.items()}


def start_offsets(admin: AdminClient, topics: Iterable[str], partitions: int) -> dict[tuple[str, int], int]:
    """(topic, partition) -> the oldest offset that is still kept."""
    wanted = {TopicPartition(topic, number): OffsetSpec.earliest() for topic in topics for number in range(partitions)}
    answers = admin.list_offsets(wanted, request_timeout=REQUEST_S)
    return {(tp.topic, tp.partition): answer.result(REQUEST_S).offset for tp, answer in answers.items()}


def committed_offsets(
    admin: AdminClient, group: str, topics: Iterable[str], partitions: int
) -> dict[tuple[str, int], int]:
    """(topic, partition) -> committed offset, 0 where the group has committed nothing."""
    wanted = [TopicPartition(topic, number) for topic in topics for number in range(partitions)]
    request = [ConsumerGroupTopicPartitions(group, wanted)]
    for attempt in range(ATTEMPTS):
        try:
            answer = admin.list_consumer_group_offsets(request, request_timeout=REQUEST_S)[group].result(REQUEST_S)
            break
        except KafkaException as failure:
            # A broker that has just started makes or loads its offsets topic at the first question about a group.
            if failure.args[0].code() not in _COORDINATOR_STARTS or attempt == ATTEMPTS - 1:
                raise
            time.sleep(PAUSE_S)
    return {(tp.topic, tp.partition): max(tp.offset, 0) for tp in answer.topic_partitions}


def group_lag(admin: AdminClient, group: str, topics: Iterable[str], partitions: int) -> dict[tuple[str, int], int]:
    """(topic, partition) -> records the group has not committed yet."""
    names = list(topics)
    ends = end_offsets(admin, names, partitions)
    committed = committed_offsets(admin, group, names, partitions)
    return {place: max(0, end - committed.get(place, 0)) for place, end in ends.items()}
