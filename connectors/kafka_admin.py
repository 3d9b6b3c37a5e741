"""Topics on the brokers: made as `schemas/topics.py` states them, described, compared; failures as ours."""

import time
from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
    TopicDescription,
)

from connectors.kafka import client_config
from connectors.settings import Settings
from pipeline.codes import MisconfiguredCode, TransientCode
from pipeline.errors import Misconfigured, Transient
from schemas.topics import TOPICS, Topic

ADMIN_TIMEOUT_S = 10.0
VISIBLE_TRIES, VISIBLE_PAUSE_S = 100, 0.1
_CREDENTIAL_ERRORS = frozenset({KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})  # noqa: SLF001
_PERMISSION_ERRORS = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})
_AWAY_ERRORS = frozenset({KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN})  # noqa: SLF001
_MISSING_ERRORS = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})  # noqa: SLF001


def admin(settings: Settings, refusals: list[KafkaError] | None = None) -> AdminClient:
    """Connects at the first call, not here. Keep it until the answers are in: it takes them with it when it goes.

    `refusals` gets what the brokers say against the login when `poll` is called; the calls themselves only time out.
    """
    options = client_config(settings)
    if refusals is not None:
        options["error_cb"] = lambda error: refusals.append(error) if error.code() in _CREDENTIAL_ERRORS else None
    return AdminClient(options)


def describe(settings: Settings, names: Iterable[str]) -> dict[str, TopicDescription]:
    """What the brokers say of the topics that exist; absent ones are left out. Raises as `ensure_topics`."""
    asked = list(names)
    if not asked:
        return {}
    refusals: list[KafkaError] = []
    client = admin(settings, refusals)
    answers = client.describe_topics(TopicCollection(asked), request_timeout=ADMIN_TIMEOUT_S)
    found: dict[str, TopicDescription] = {}
    for name, answer in answers.items():
        try:
            found[name] = answer.result()
        except KafkaException as failure:
            if failure.args[0].code() not in _MISSING_ERRORS:
                client.poll(0)
                reason = KafkaException(refusals[0]) if refusals else failure
                raise _sorted(reason, settings) from None
    return found


def topic_ids(settings: Settings, names: Iterable[str]) -> dict[str, str]:
    """Name -> the topic's uuid, which a topic made again under the old name does not share.

    Raises Misconfigured(TOPIC_MISSING) naming every absent topic, else as `ensure_topics`.
    """
    asked = list(names)
    found = describe(settings, asked)
    missing = [name for name in asked if name not in found]
    if missing:
        raise Misconfigured(
            MisconfiguredCode.TOPIC_MISSING, f"There is no topic {', '.join(missing)}; run `pulse migrate`."
        )
    return {name: str(found[name].topic_id) for name in asked}


def ensure_topics(settings: Settings, topics: tuple[Topic, ...] = TOPICS) -> dict[str, str]:
    """Every topic exists with its partitions and settings afterwards. Returns topic -> what was done, only changes.

    A second call changes nothing. Raises Misconfigured(SETTING) when a topic has another number of partitions (it is
    never re-partitioned in place), Misconfigured(CREDENTIAL | PERMISSION), Transient(BROKER_AWAY).
    """
    found = describe(settings, [topic.name for topic in topics])
    for name, description in found.items():
        _refuse_other_partitions(name, len(description.partitions), settings.partitions)
    done = _create(settings, [topic for topic in topics if topic.name not in found])
    done.update(_correct(settings, [topic for topic in topics if topic.name in found]))
    return done


def _refuse_other_partitions(name: str, found: int, expected: int) -> None:
    if found != expected:
        raise Misconfigured(
            MisconfiguredCode.SETTING,
            f"partitions is {expected}, but topic {name} has {found}; a topic keeps its partitions: set partitions to "
            f"{found}, or use another cluster.",
        )


def _create(settings: Settings, topics: list[Topic]) -> dict[str, str]:
    if not topics:
        return {}
    new = [
        NewTopic(topic.name, settings.partitions, settings.replication, config=dict(topic.config)) for topic in topics
    ]
    client = admin(settings)
    there: set[str] = set()
    for name, answer in client.create_topics(new, request_timeout=ADMIN_TIMEOUT_S).items():
        try:
            answer.result()
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise _sorted(failure, settings, name) from None
            there.add(name)  # another process was first, or the broker we asked did not know of it yet
    # A topic is not usable before the brokers tell of it, which may be a moment after they have made it.
    for name, description in _describe_patiently(settings, [topic.name for topic in topics]).items():
        _refuse_other_partitions(name, len(description.partitions), settings.partitions)
    return {topic.name: "created" for topic in topics if topic.name not in there}


def _describe_patiently(settings: Settings, names: list[str]) -> dict[str, TopicDescription]:
    """What the brokers say of topics that exist, even if that has not come to all of them yet."""
    found: dict[str, TopicDescription] = {}
    for _ in range(VISIBLE_TRIES):
        found = describe(settings, names)
        if len(found) == len(names):
            break
        time.sleep(VISIBLE_PAUSE_S)
    return found


def _correct(settings: Settings, topics: list[Topic]) -> dict[str, str]:
    """Settings of existing topics that differ are set one by one; what others have set beside ours stays."""
    drift = config_drift(settings, topics)
    if not drift:
        return {}
    config_of = {topic.name: topic.config for topic in topics}
    resources = [
        ConfigResource(
            ResourceType.TOPIC,
            name,
            incremental_configs=[
                ConfigEntry(key, config_of[name][key], incremental_operation=AlterConfigOpType.SET) for key in keys
            ],
        )
        for name, keys in drift.items()
    ]
    client = admin(settings)
    answers = client.incremental_alter_configs(resources, request_timeout=ADMIN_TIMEOUT_S)
    for resource, answer in answers.items():
        try:
            answer.result()
        except KafkaException as failure:
            raise _sorted(failure, settings, resource.name) from None
    return {name: f"corrected {', '.join(keys)}" for name, keys in drift.items()}


def config_drift(settings: Settings, topics: Iterable[Topic]) -> dict[str, list[str]]:
    """Topic -> its settings whose value on the brokers is not ours. The topics exist."""
    by_name = {topic.name: topic for topic in topics}
    if not by_name:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in by_name]
    drift: dict[str, list[str]] = {}
    client = admin(settings)
    for resource, answer in client.describe_configs(resources, request_timeout=ADMIN_TIMEOUT_S).items():
        try:
            entries = answer.result()
        except KafkaException as failure:
            raise _sorted(failure, settings, resource.name) from None
        config = by_name[resource.name].config
        wrong = [key for key, value in config.items() if key not in entries or entries[key].value != value]
        if wrong:
            drift[resource.name] = wrong
    return drift


def _sorted(failure: Exception, settings: Settings, what: str = "") -> Exception:
    """An admin failure as one of ours. Codes: https://kafka.apache.org/protocol#protocol_error_codes"""
    error = failure.args[0]
    place = f"{what} on {settings.kafka.bootstrap_servers}" if what else settings.kafka.bootstrap_servers
    if error.code() in _CREDENTIAL_ERRORS:
        return Misconfigured(
            MisconfiguredCode.CREDENTIAL,
            f"The brokers at {place} refuse the login; check kafka.sasl_username and kafka.sasl_password.",
        )
    if error.code() in _PERMISSION_ERRORS:
        return Misconfigured(
            MisconfiguredCode.PERMISSION, f"The brokers do not allow this ({place}): {error.str()}; grant it."
        )
    if error.retriable() or error.code() in _AWAY_ERRORS:
        return Transient(TransientCode.BROKER_AWAY, f"{place}: {error.str()}")
    return failure
