"""How far a consumer group or the sink is behind, from the broker's own figures.

Faust's built-in lag counts from the last record read and leaves silent partitions out; this one does not.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed

T = TypeVar("T")
REQUEST_S = 10.0
ATTEMPTS, PAUSE_S = 40, 0.25
BROKER_STARTS = frozenset(
    {
        # It makes or loads its offsets topic at the first question about a group.
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_COORDINATOR,
        # It answers before it knows that it leads the partition, or since when.
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
    }
)
"""What a broker answers within the first seconds of its life, and no longer: asking again is the cure."""


def end_offsets(admin: AdminClient, topics: Iterable[str], partitions: int) -> dict[tuple[str, int], int]:
    """(topic, partition) -> the offset the next record will get."""
    return _offsets(admin, topics, partitions, OffsetSpec.latest())


def start_offsets(admin: AdminClient, topics: Iterable[str], partitions: int) -> dict[tuple[str, int], int]:
    """(topic, partition) -> the oldest offset that is still kept."""
    return _offsets(admin, topics, partitions, OffsetSpec.earliest())


def committed_offsets(
    admin: AdminClient, group: str, topics: Iterable[str], partitions: int
) -> dict[tuple[str, int], int]:
    """(topic, partition) -> committed offset, 0 where the group has committed nothing."""
    wanted = [TopicPartition(topic, number) for topic in topics for number in range(partitions)]
    request = [ConsumerGroupTopicPartitions(group, wanted)]
    # librdkafka ends the whole process (a null pointer) when the answer to the question for offsets is "not
    # coordinator", which a broker gives for a moment after its start; to this question it may say so.
    _answered(lambda: admin.describe_consumer_groups([group], request_timeout=REQUEST_S)[group].result(REQUEST_S))
    answer = _answered(
        lambda: admin.list_consumer_group_offsets(request, request_timeout=REQUEST_S)[group].result(REQUEST_S)
    )
    return {(tp.topic, tp.partition): max(tp.offset, 0) for tp in answer.topic_partitions}


def group_lag(admin: AdminClient, group: str, topics: Iterable[str], partitions: int) -> dict[tuple[str, int], int]:
    """(topic, partition) -> records the group has not committed yet."""
    names = list(topics)
    ends = end_offsets(admin, names, partitions)
    committed = committed_offsets(admin, group, names, partitions)
    return {place: max(0, end - committed.get(place, 0)) for place, end in ends.items()}


def _offsets(
    admin: AdminClient, topics: Iterable[str], partitions: int, which: OffsetSpec
) -> dict[tuple[str, int], int]:
    wanted = {TopicPartition(topic, number): which for topic in topics for number in range(partitions)}

    def ask() -> dict[tuple[str, int], int]:
        answers = admin.list_offsets(wanted, request_timeout=REQUEST_S)
        return {(tp.topic, tp.partition): answer.result(REQUEST_S).offset for tp, answer in answers.items()}

    return _answered(ask)


def _answered(ask: Callable[[], T]) -> T:
    """What the broker says once it has started; any other refusal goes through at once."""
    again = Retrying(
        stop=stop_after_attempt(ATTEMPTS), wait=wait_fixed(PAUSE_S), retry=retry_if_exception(_starts), reraise=True
    )
    return again(ask)


def _starts(failure: BaseException) -> bool:
    return isinstance(failure, KafkaException) and failure.args[0].code() in BROKER_STARTS
