"""Which topics a sink is asked to store."""

import pytest

from agents.cli.sink import chosen
from pipeline.errors import Misconfigured
from schemas.tables import SINK_TOPICS


def test_without_names_every_topic_is_stored() -> None:
    assert chosen("") == chosen(" , ") == SINK_TOPICS


def test_named_topics_are_taken_in_order() -> None:
    assert chosen("totals.v1, raw.events.v1") == ("totals.v1", "raw.events.v1")


def test_a_topic_without_a_table_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(Misconfigured, match=r'"cursors\.v1"; the sink knows raw\.google_ads'):
        chosen("totals.v1,cursors.v1")
