"""Which records of the topic of totals the judge reads. `pipeline.native` picks them from the bytes of a fetch."""

from collections.abc import Sequence

from pipeline.per_record import native
from pipeline.state import SourceRecord


def worth_judging(records: Sequence[SourceRecord], counted_to: int) -> tuple[list[SourceRecord], int]:
    """Checkpoints, and totals that a rule may look at, behind `counted_to`; and how many were counted before."""
    if native is not None and isinstance(records, native.WireRecords):
        return native.worth_judging(records, counted_to)
    fresh = [record for record in records if record.offset > counted_to]
    picked = [
        record
        for record in fresh
        if record.value is not None and (record.key is None or may_be_judged(record.key, record.value))
    ]
    return picked, len(records) - len(fresh)


def may_be_judged(key: bytes, value: bytes) -> bool:
    """Whether this id (`campaign_key|ad_group_id|ad_id|basis|window|start_s`) is of a campaign's hour or day.

    And whether a rule may look at it, as far as that is plain to see: most totals are of hours that are not over or of
    counted days without a budget, and are not worth being read. Within a string there would be a backslash.
    """
    parts = key.rsplit(b"|", 4)
    if len(parts) != 5 or parts[1] or not parts[0].endswith(b"|"):
        return False
    if parts[3] == b"1h":
        return b'"is_final":false' not in value
    return parts[3] == b"1d" and (parts[2] != b"counted" or b'"daily_budget_micros":null' not in value)
