"""Committed files that are made from the code are the ones the code makes, and nobody's reader is broken by them."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from schemas.published import published_models, published_schema, published_schemas
from schemas.topics import EVENTS_CAMPAIGN, TOPICS, TOTALS
from tests.contract.compatibility import breakages
from tests.contract.generated import ROOT, SCHEMAS, generated

FROZEN = Path(__file__).parent / "published_v1"


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_the_committed_file_is_the_generated_one(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == generated()[path], "run `make schemas` and commit what it writes"


def test_no_schema_is_left_of_a_topic_that_is_gone() -> None:
    assert {path.stem for path in SCHEMAS.glob("*.json")} == set(published_models())


@pytest.mark.parametrize("frozen", sorted(FROZEN.glob("*.json")), ids=lambda path: path.stem)
def test_readers_of_version_1_are_not_broken(frozen: Path) -> None:
    assert breakages(json.loads(frozen.read_text()), published_schema(frozen.stem)) == []


def test_every_public_topic_is_published_and_guarded() -> None:
    public = {topic.name for topic in TOPICS if topic.public}
    assert public <= set(published_models())
    assert public <= {path.stem for path in FROZEN.glob("*.json")}


@pytest.mark.parametrize("topic", published_models())
def test_a_published_schema_is_a_schema_and_lets_unknown_fields_pass(topic: str) -> None:
    schema = published_schema(topic)
    Draft202012Validator.check_schema(schema)
    assert '"additionalProperties": false' not in json.dumps(schema)


def test_each_of_the_four_public_shapes_is_told_by_its_type() -> None:
    validator = Draft202012Validator(published_schemas()[EVENTS_CAMPAIGN])
    event = {
        "event_id": "e1",
        "sequence": 1,
        "project_id": "p",
        "campaign_id": "c",
        "timestamp": "2026-11-21T00:00:00Z",
        "event_type": "campaign.budget_exceeded",
        "budget_limit": 100.0,
        "current_spend": 120.0,
        "percentage_exceeded": 20.0,
        "something_new": True,
    }
    assert validator.is_valid(event)
    assert not validator.is_valid({**event, "event_type": "campaign.metrics_updated"})
    assert not validator.is_valid({key: value for key, value in event.items() if key != "event_type"})
    assert not validator.is_valid({key: value for key, value in event.items() if key != "budget_limit"})


def test_a_checkpoint_on_the_totals_topic_is_told_from_a_total() -> None:
    validator = Draft202012Validator(published_schemas()[TOTALS])
    checkpoint = {
        "checkpoint": "tick",
        "source_topic": "raw.events.v1",
        "source_partition": 0,
        "source_offset": 5,
        "at_ms": 1,
    }
    assert validator.is_valid(checkpoint)
    assert not validator.is_valid({**checkpoint, "source_offset": "5"})


def test_the_schemas_folder_lies_where_a_reader_looks() -> None:
    assert SCHEMAS == ROOT / "schemas" / "json"
