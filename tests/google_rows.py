"""Raw Google Ads records for tests: an account in Berlin, campaigns with budgets, days and hours."""

import json
from typing import Any

from connectors.kafka import partition_of
from schemas.topics import RAW_GOOGLE_ADS
from tests.system import Message

ACCOUNT = "1234567890"


class GoogleRows:
    """Builds messages in order; `messages` is what to produce. Instants are Unix ms."""

    def __init__(
        self, *, partitions: int = 4, zone: str = "Europe/Berlin", currency: str = "EUR", account: str = ACCOUNT
    ) -> None:
        self.messages: list[Message] = []
        self._partitions = partitions
        self._account = account
        self._customer = {"id": account, "timeZone": zone, "currencyCode": currency}

    def entity(
        self, campaign: str, *, budget_micros: int, at_ms: int, status: str = "ENABLED", shared: str | None = None
    ) -> None:
        """`shared`: id of a budget that other campaigns have as well."""
        budget = {
            "id": shared or f"9{campaign}",
            "amountMicros": str(budget_micros),
            "period": "DAILY",
            "explicitlyShared": shared is not None,
            "referenceCount": "1" if shared is None else "2",
        }
        row = {"campaign": {"id": campaign, "name": f"Campaign {campaign}", "status": status}, "campaignBudget": budget}
        self._row("entity", campaign, row, at_ms)

    def day(self, campaign: str, date: str, *, at_ms: int, spend_micros: int, **metrics: Any) -> None:
        row = {
            "campaign": {"id": campaign, "name": f"Campaign {campaign}"},
            "segments": {"date": date},
            "metrics": {"costMicros": str(spend_micros), "impressions": "100000", "clicks": "9000", **metrics},
        }
        self._row("campaign_day", campaign, row, at_ms)

    def hour(self, campaign: str, date: str, hour: int, *, at_ms: int, spend_micros: int, **metrics: Any) -> None:
        row = {
            "campaign": {"id": campaign, "name": f"Campaign {campaign}"},
            "segments": {"date": date, "hour": hour},
            "metrics": {"costMicros": str(spend_micros), "impressions": "4000", "clicks": "370", **metrics},
        }
        self._row("campaign_hour", campaign, row, at_ms)

    def complete(self, report: str, since: str, until: str, *, at_ms: int) -> None:
        body = self._envelope("report_complete", report, at_ms) | {"since": since, "until": until, "rows": 1}
        for partition in range(self._partitions):
            self._add(partition, at_ms, None, body)

    def _row(self, report: str, campaign: str, row: dict[str, Any], at_ms: int) -> None:
        key = f"google_ads:{self._account}:{campaign}".encode()
        body = self._envelope("row", report, at_ms) | {"row": {"customer": self._customer, **row}}
        self._add(partition_of(key, self._partitions), at_ms, key, body)

    def _envelope(self, kind: str, report: str, at_ms: int) -> dict[str, Any]:
        return {
            "v": 1,
            "source": "google_ads",
            "kind": kind,
            "report": report,
            "api_version": "v26",
            "account_id": self._account,
            "fetched_at_ms": at_ms,
            "run_id": f"r{at_ms}",
        }

    def _add(self, partition: int, at_ms: int, key: bytes | None, body: dict[str, Any]) -> None:
        self.messages.append(Message(RAW_GOOGLE_ADS, partition, -1, at_ms, key, json.dumps(body).encode()))

    def take(self) -> list[Message]:
        messages, self.messages = self.messages, []
        return messages
