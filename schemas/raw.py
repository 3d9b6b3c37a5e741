"""What a connector puts on a raw topic around the platform's own row. The row itself is kept as it came."""

from enum import StrEnum
from typing import Any

from schemas.record import Contract


class RawKind(StrEnum):
    ROW = "row"
    VANISHED = "vanished"  # returned before, absent from a completed re-read: stands for zero
    REPORT_COMPLETE = "report_complete"  # one a partition, after every row of a run is acknowledged


class Report(StrEnum):
    CAMPAIGN_DAY = "campaign_day"
    CAMPAIGN_HOUR = "campaign_hour"
    AD_DAY = "ad_day"
    ENTITY = "entity"


class RawReportRow(Contract):
    """Value of `raw.google_ads.v1`. Key: campaign key (null for `report_complete`). Kafka timestamp: `fetched_at_ms`.

    `row` holds the API's row byte for byte; of a `vanished` key only the identity parts (no metrics);
    null for `report_complete`, which carries `since`, `until` (local dates) and `rows` instead.
    """

    v: int = 1
    source: str
    kind: RawKind
    report: Report
    api_version: str
    account_id: str
    fetched_at_ms: int
    run_id: str
    row: dict[str, Any] | None = None
    since: str | None = None
    until: str | None = None
    rows: int | None = None
    zone: str | None = None
