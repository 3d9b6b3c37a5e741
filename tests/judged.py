"""A totals topic written by hand, and what a judge makes of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.alerts.judge import Judge
from pipeline.alerts.rule_file import parse_rules
from pipeline.total_codec import CheckpointOut, TotalOut, encode_checkpoint, encode_total, total_id
from pipeline.zones import day_at
from schemas.platform import campaign_key
from schemas.rule import Rule
from schemas.topics import ALERT_TOPICS, RAW_EVENTS, RAW_GOOGLE_ADS
from tests.partition import Rec

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MICROS = 1_000_000
MIDNIGHT = 1_795_215_600_000  # 21 Nov 2026 in Berlin
NO_OTHERS = (0,) * 8


def rule(kind: str, **keys: Any) -> Rule:
    (made,) = parse_rules({"rule": [{"id": keys.pop("id", "it"), "kind": kind, "severity": "medium", **keys}]})
    return made


BUDGETS = parse_rules(
    {
        "rule": [
            {"id": "budget_warning", "kind": "budget", "severity": "medium", "share_percent": 90},
            {"id": "budget_exceeded", "kind": "budget", "severity": "high", "share_percent": 100},
        ]
    }
)


@dataclass
class TotalsLog:
    """Appends records at growing offsets. Versions grow with the offset, unless they are given."""

    zone: str = "Europe/Berlin"
    currency: str = "EUR"
    records: list[Rec] = field(default_factory=list)

    def _append(self, key: bytes | None, value: bytes | None) -> Rec:
        record = Rec(len(self.records), 0, key, value)
        self.records.append(record)
        return record

    def repeat(self, record: Rec) -> None:
        """The same bytes again, at a new offset."""
        self._append(record.key, record.value)

    def total(
        self,
        window: str,
        start_ms: int,
        end_ms: int,
        *,
        impressions: int = 0,
        clicks: int = 0,
        spend: float = 0,
        conversions: float = 0,
        revenue: float = 0,
        campaign: str = "c1",
        platform: str = "google_ads",
        basis: str = "reported",
        as_of_ms: int | None = None,
        is_final: bool = True,
        version: int | None = None,
        budget: float | None = None,
        shared: bool = False,
        name: str = "Brand",
    ) -> Rec:
        key = campaign_key(platform, "acc", campaign)
        identity = total_id(key, "", "", basis, window, start_ms)
        spend_micros, conversions_micros, revenue_micros = (round(x * MICROS) for x in (spend, conversions, revenue))
        offset = len(self.records)
        total = TotalOut(
            1, identity, key, platform, "acc", campaign, "campaign", "", "", basis, window, start_ms, end_ms, self.zone,
            self.currency, impressions, clicks, 0, spend_micros, conversions_micros, revenue_micros, 0, *NO_OTHERS,
            end_ms + HOUR_MS // 2 if as_of_ms is None else as_of_ms, 0, is_final, False,
            (offset + 1) << 2 | is_final if version is None else version, RAW_GOOGLE_ADS, 0, offset, name, "active",
            None if budget is None else round(budget * MICROS), "b1" if budget else None, shared,
        )  # fmt: skip
        return self._append(identity.encode(), encode_total(total))

    def hour(self, number: int, **figures: Any) -> Rec:
        """The final hour that begins `number` hours after the midnight of 21 November."""
        start = MIDNIGHT + number * HOUR_MS
        return self.total("1h", start, start + HOUR_MS, **figures)

    def day(self, number: int = 0, *, hour: float = 12, is_final: bool = False, **figures: Any) -> Rec:
        """The day `number` days after 21 November, as read when its clock showed `hour` (beyond 24: the day after)."""
        start, end = day_at(self.zone, MIDNIGHT + number * DAY_MS + 12 * HOUR_MS)
        as_of_ms = start + round(hour * HOUR_MS)
        return self.total("1d", start, end, as_of_ms=as_of_ms, is_final=is_final, **figures)

    def checkpoint(self, at_ms: int, *, kind: str = "report_complete", offset: int | None = None) -> Rec:
        topic = RAW_GOOGLE_ADS if kind == "report_complete" else RAW_EVENTS
        source_offset = len(self.records) if offset is None else offset
        return self._append(None, encode_checkpoint(CheckpointOut(1, kind, topic, 0, source_offset, 0, at_ms)))

    def checkpoint_after(self, number: int, *, kind: str = "report_complete") -> Rec:
        """A checkpoint twenty minutes after the end of that hour."""
        return self.checkpoint(MIDNIGHT + (number + 1) * HOUR_MS + HOUR_MS // 3, kind=kind)


def make_judge(rules: Sequence[Rule]) -> Judge:
    judge = Judge(rules, 0, project_of=lambda platform, account: f"project of {account}", link_base="https://pulse")
    judge.load([], counted_to=-1)
    return judge


def outputs(rules: Sequence[Rule], log: TotalsLog) -> list[tuple[str, bytes | None, dict[str, Any]]]:
    judge = make_judge(rules)
    judge.count(log.records)
    return [(topic, key, json.loads(value)) for topic, key, value in judge.take().outputs]


def alerts(rules: Sequence[Rule], log: TotalsLog) -> list[dict[str, Any]]:
    return [value for topic, _, value in outputs(rules, log) if topic in ALERT_TOPICS]


def told(rules: Sequence[Rule], log: TotalsLog) -> list[tuple[str, str]]:
    """(rule id, transition) in order."""
    return [(alert["rule_id"], alert["transition"]) for alert in alerts(rules, log)]


def transitions(rules: Sequence[Rule], log: TotalsLog) -> list[str]:
    return [alert["transition"] for alert in alerts(rules, log)]
