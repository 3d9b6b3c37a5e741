"""The topics as data: versions in their names, settings the broker knows, and what reads and writes them in step."""

import re

import pytest

from connectors.kafka_producer import MAX_REQUEST_BYTES
from schemas.public_event import PublicEvent
from schemas.published import published_models
from schemas.topics import ALERT_TOPICS, BY_NAME, EVENTS_CAMPAIGN, TOPICS, Topic

# Public names that other people's code holds already; a new shape of them gets a new name.
UNVERSIONED = {*ALERT_TOPICS, EVENTS_CAMPAIGN, "dead_letters"}
KNOWN_SETTINGS = {
    "cleanup.policy",
    "retention.ms",
    "retention.bytes",
    "max.message.bytes",
    "message.timestamp.after.max.ms",
    "min.cleanable.dirty.ratio",
    "segment.bytes",
    "segment.ms",
}


def test_names_are_legal_unique_and_carry_a_version() -> None:
    assert len(BY_NAME) == len(TOPICS)
    for name in BY_NAME:
        assert re.fullmatch(r"[a-z_.]+(\.v[1-9]\d*)?", name)
        assert name in UNVERSIONED or re.search(r"\.v[1-9]\d*$", name)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_settings_are_ones_kafka_knows_with_values_it_takes(topic: Topic) -> None:
    assert set(topic.config) <= KNOWN_SETTINGS
    assert topic.config["cleanup.policy"] in {"delete", "compact"}
    for name, value in topic.config.items():
        if name != "cleanup.policy":
            assert re.fullmatch(r"-1|\d+(\.\d+)?", value)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_no_topic_forgets_by_the_age_of_its_records(topic: Topic) -> None:
    # recorded files and backfills carry old instants: retention by time would delete them at once
    assert topic.config["cleanup.policy"] == "compact" or topic.config["retention.ms"] == "-1"


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_what_a_topic_takes_our_producer_can_send(topic: Topic) -> None:
    assert int(topic.config.get("max.message.bytes", 0)) <= MAX_REQUEST_BYTES


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_says_what_it_holds_under_which_key(topic: Topic) -> None:
    assert topic.holds
    assert topic.key
    assert not topic.public or topic.name in published_models()


@pytest.mark.parametrize(
    ("topic", "model"), [(topic, model) for topic, models in published_models().items() for model in models]
)
def test_every_published_shape_carries_its_version_and_derived_identity(topic: str, model: type) -> None:
    fields = getattr(model, "model_fields", {})
    assert fields.keys() & {"schema_version", "v"} or topic == "raw.events.v1"
    if topic == EVENTS_CAMPAIGN:
        assert issubclass(model, PublicEvent)
        assert {"event_id", "sequence", "event_type"} <= fields.keys()
