"""Completed reads of a platform's reports: which local days each has shown, and when it began."""

from typing import Any

from pipeline.reported_rows import READ_PREFIX
from schemas.facts import ReportComplete, Snapshot
from schemas.window import Level, Window

REPORT_OF: dict[tuple[str, str], str] = {
    (Level.CAMPAIGN, Window.DAY): "campaign_day",
    (Level.CAMPAIGN, Window.HOUR): "campaign_hour",
    (Level.AD, Window.DAY): "ad_day",
}
DAYS_KEPT = 100  # longer than the longest look-back
Place = tuple[str, str]  # (account id, report)


class CompletedReads:
    def __init__(self) -> None:
        self._began: dict[Place, dict[str, int]] = {}  # place -> local date -> `fetched_at_ms` of the newest read
        self._changed: dict[Place, None] = {}

    def restore(self, key: bytes, row: list[Any]) -> None:
        account_id, report = key[len(READ_PREFIX) :].decode().split("|")
        self._began[account_id, report] = dict(row[1])

    def take(self, order: int) -> list[tuple[bytes, list[Any] | None]]:
        changed, self._changed = self._changed, {}
        return [
            (READ_PREFIX + f"{account_id}|{report}".encode(), [order, sorted(self._began[account_id, report].items())])
            for account_id, report in changed
        ]

    def complete(self, fact: ReportComplete) -> None:
        place = fact.account_id, fact.report
        began = self._began.setdefault(place, {})
        for date in fact.dates:
            began[date] = max(began.get(date, -1), fact.fetched_at_ms)
        for date in sorted(began)[:-DAYS_KEPT]:
            del began[date]
        self._changed[place] = None

    def are_newer(self, fact: Snapshot) -> bool:
        """Whether a completed read that began later has shown the day of this row."""
        began = self._began.get((fact.account_id, REPORT_OF[fact.level, fact.window]))
        return began is not None and fact.fetched_at_ms < began.get(fact.date, -1)

    def newest_ms(self, place: Place) -> int:
        """No row of this account and report that was fetched since then is older than a read; -1: none is."""
        return max(self._began.get(place, {}).values(), default=-1)
