"""A source as a process refuses topics that are not as the settings say, and waits for a broker that is away."""

from typing import Any

import pytest

from agents import run_source
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured


class Cluster:
    """As much of aiokafka's metadata as is looked at."""

    def __init__(self, **topics: int) -> None:
        self.client = self
        self._topics = topics

    async def fetch_all_metadata(self) -> "Cluster":
        return self

    def partitions_for_topic(self, name: str) -> set[int] | None:
        return set(range(self._topics[name])) if name in self._topics else None


async def check(**topics: int) -> None:
    producer: Any = Cluster(**topics)
    await run_source._check_topics(producer, ["raw", "feeds"], 4)


async def test_topics_as_they_should_be_are_taken() -> None:
    await check(raw=4, feeds=4)


@pytest.mark.parametrize(
    ("topics", "code", "said"),
    [
        ({"raw": 4}, MisconfiguredCode.TOPIC_MISSING, "no topic feeds; run `pulse migrate`"),
        ({"raw": 6, "feeds": 4}, MisconfiguredCode.SETTING, "topic raw has 6; set partitions to 6"),
    ],
)
async def test_a_topic_that_is_missing_or_cut_otherwise_is_refused(
    topics: dict[str, int], code: MisconfiguredCode, said: str
) -> None:
    with pytest.raises(Misconfigured, match=said) as refused:
        await check(**topics)
    assert refused.value.code == code
