"""What the entity report says of each campaign: its name, status and budget, as rows beside the totals."""

from typing import Any

import msgspec

from pipeline.reported_rows import BUDGET, BUDGET_ID, BUDGET_SHARED, CAMPAIGN_PREFIX, ProjectOf
from pipeline.state import KeptRow
from schemas.facts import Entity

# row = [order, name, type, status, currency, zone, [start_ms, end_ms], daily budget, total budget, budget id,
#        budget shared, as_of_ms]
ORDER, NAME, STATUS, DAILY, ID, SHARED, AS_OF = 0, 1, 3, 7, 9, 10, 11


class ReportedCampaigns:
    def __init__(self, project_of: ProjectOf) -> None:
        self._project_of = project_of
        self.rows: dict[str, list[Any]] = {}  # campaign key -> row
        self._changed: dict[str, None] = {}

    def restore(self, key: bytes, row: list[Any]) -> None:
        self.rows[key[len(CAMPAIGN_PREFIX) :].decode()] = row

    def take(self) -> list[tuple[bytes, KeptRow]]:
        changed, self._changed = self._changed, {}
        return [(CAMPAIGN_PREFIX + name.encode(), self.rows[name]) for name in changed]

    def name_and_status(self, key: str) -> tuple[str | None, str]:
        """(None, "") while no entity report has named it."""
        row = self.rows.get(key)
        return (None, "") if row is None else (row[NAME], row[STATUS])

    def knows(self, key: str) -> bool:
        return key in self.rows

    def put_budget(self, key: str, day: list[Any]) -> bool:
        """Write the budget in force into the row of a day; True when that changes it."""
        row = self.rows.get(key)
        if row is None:
            return False
        budget = [row[DAILY], row[ID], row[SHARED]]
        if day[BUDGET : BUDGET_SHARED + 1] == budget:
            return False
        day[BUDGET], day[BUDGET_ID], day[BUDGET_SHARED] = budget
        return True

    def is_old(self, key: str, fact: Entity, order: int) -> bool:
        known = self.rows.get(key)
        return known is not None and (order <= known[ORDER] or fact.as_of_ms < known[AS_OF])

    def describe(self, key: str, fact: Entity, order: int) -> bytes | None:
        """The message for `campaigns.v1`, None when nothing has changed."""
        row: list[Any] = [
            order,
            fact.name,
            fact.type,
            str(fact.status),
            fact.currency,
            fact.zone,
            [fact.start_ms, fact.end_ms],
            fact.daily_budget_micros,
            fact.total_budget_micros,
            fact.budget_id,
            fact.budget_shared,
            fact.as_of_ms,
        ]
        known = self.rows.get(key)
        if known is not None and known[NAME:AS_OF] == row[NAME:AS_OF]:
            known[AS_OF] = fact.as_of_ms
            return None
        self.rows[key] = row
        self._changed[key] = None
        return campaign_message(fact, key, self._project_of(fact.platform, fact.account_id), order << 2)


class _CampaignOut(msgspec.Struct):
    schema_version: int
    campaign_key: str
    project_id: str
    platform: str
    account_id: str
    campaign_id: str
    name: str
    type: str
    objective: str
    status: str
    currency: str
    zone: str
    start_ms: int | None
    end_ms: int | None
    daily_budget_micros: int | None
    total_budget_micros: int | None
    budget_id: str | None
    budget_shared: bool
    version: int
    as_of_ms: int


_encode = msgspec.json.Encoder().encode


def campaign_message(fact: Entity, key: str, project_id: str, version: int) -> bytes:
    """JSON of `schemas.campaign.Campaign`."""
    return _encode(
        _CampaignOut(
            1,
            key,
            project_id,
            fact.platform,
            fact.account_id,
            fact.campaign_id,
            fact.name,
            fact.type,
            fact.objective,
            str(fact.status),
            fact.currency,
            fact.zone,
            fact.start_ms,
            fact.end_ms,
            fact.daily_budget_micros,
            fact.total_budget_micros,
            fact.budget_id,
            fact.budget_shared,
            version,
            fact.as_of_ms,
        )
    )
