"""Remembered offsets are trusted only while the topic still has what was stored of it."""

import pytest

from connectors.clickhouse.positions import refuse_lost
from pipeline.errors import Misconfigured


@pytest.mark.parametrize("end", [7, 8, 10**12])
def test_a_partition_that_reaches_what_is_stored_is_gone_on_with(end: int) -> None:
    refuse_lost("totals.v1", 3, end=end, stored_to=7)


@pytest.mark.parametrize("end", [0, 6])
def test_a_partition_that_ends_below_what_is_stored_is_refused_with_what_to_do(end: int) -> None:
    with pytest.raises(Misconfigured) as refused:
        refuse_lost("totals.v1", 3, end=end, stored_to=7)
    assert refused.value.code == "topic_recreated"
    for word in ("totals.v1", "3", f"offset {end}", "7 records", "clickhouse.database", "pulse migrate"):
        assert word in refused.value.detail
