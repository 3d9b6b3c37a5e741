"""What each topic holds, as JSON Schema (draft 2020-12). `schemas/json` keeps the result; a test compares the two."""

from types import MappingProxyType
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas.public_event import BudgetExceeded, MetricsUpdated, PerformanceAlert, PerformanceThreshold
from schemas.topics import BY_NAME, EVENTS_CAMPAIGN, TOPICS, TOTALS
from schemas.total import Checkpoint, Total

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Topics that hold several shapes; which one a value is, is told by the field named last.
UNIONS: MappingProxyType[str, tuple[tuple[type[BaseModel], ...], str]] = MappingProxyType(
    {
        EVENTS_CAMPAIGN: ((MetricsUpdated, PerformanceAlert, BudgetExceeded, PerformanceThreshold), "event_type"),
        TOTALS: ((Total, Checkpoint), ""),
    }
)


def published_models() -> dict[str, tuple[type[BaseModel], ...]]:
    """Topic -> the models of its values. Topics of ours alone (state, cursors) have no published shape."""
    models = {topic.name: (topic.model,) for topic in TOPICS if topic.model is not None}
    return {**models, **{name: shapes for name, (shapes, _) in UNIONS.items()}}


def published_schema(topic: str) -> dict[str, Any]:
    """The schema of a topic's values. Readers ignore fields they do not know, so unknown ones are allowed."""
    models = published_models()[topic]
    head = {
        "$schema": DIALECT,
        "$id": f"urn:campaign-pulse:{topic}",
        "title": topic,
        "description": f"{BY_NAME[topic].holds[:1].upper()}{BY_NAME[topic].holds[1:]}. Key: {BY_NAME[topic].key}.",
    }
    if len(models) == 1:
        schema = models[0].model_json_schema()
        return {**schema, **head}
    _, definitions = models_json_schema([(model, "validation") for model in models])
    told_by = UNIONS[topic][1]
    if told_by:
        for model in models:
            # It has a default in the model, but a reader relies on it.
            definitions["$defs"][model.__name__]["required"].append(told_by)
    shapes = [{"$ref": f"#/$defs/{model.__name__}"} for model in models]
    return {**head, "oneOf": shapes, "$defs": definitions["$defs"]}


def published_schemas() -> dict[str, dict[str, Any]]:
    return {topic: published_schema(topic) for topic in sorted(published_models())}
