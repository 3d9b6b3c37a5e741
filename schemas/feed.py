"""What a source has read and how fresh it is, on `feeds.v1`."""

from enum import StrEnum

from schemas.record import Contract


class FeedState(StrEnum):
    OK = "ok"
    LATE = "late"
    FAILING = "failing"
    STOPPED = "stopped"  # a person must act: see `detail`


class FeedHealth(Contract):
    """Identity: `source`, `account_id`, `report`; the newest `at_ms` holds.

    `read_until_ms`: event time up to which the source has been read; `last_ok_ms`: end of the last complete run.
    """

    schema_version: int = 1
    source: str
    account_id: str
    report: str
    state: FeedState
    at_ms: int
    last_ok_ms: int | None
    read_until_ms: int | None
    rows: int
    vanished: int = 0
    detail: str = ""
