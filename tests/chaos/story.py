"""The default load: own events of twelve campaigns and reports of six, restated by the hour, with faults of their own.

However many events, the story takes twelve hours at least, so that windows close and rules have something to judge:
rates sink, clicks grow dear, spend jumps, budgets are overrun and the overrun is taken back. Same seed, same bytes.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from heapq import merge
from typing import Any
from zoneinfo import ZoneInfo

from tests.chaos.ledger import LedgerEvent
from tests.chaos.oracle import windows_of
from tests.google_rows import ACCOUNT, GoogleRows

START_MS = 1_795_064_400_000  # 2026-11-19T05:00Z, six in the morning in Berlin
HOUR_MS, MINUTE_MS = 3_600_000, 60_000
PARTITIONS = 4
EVENTS_AN_HOUR, SHORTEST_H, LONGEST_H = 5_000, 12, 72
TICK_MS = 5 * MINUTE_MS
REPEATED, LATE = 0.02, 0.01  # shares of the events: sent twice by their sender; up to three hours late
CLOSED_AFTER_MS = 30 * HOUR_MS  # beyond the last event: every window is over
PLACES = (("meta", "UTC"), ("linkedin", "Europe/Berlin"), ("tiktok", "America/New_York"), ("email", "Asia/Kolkata"))
CAMPAIGNS = 12
REPORT_ZONE = "Europe/Berlin"
REPORTED = ("101", "102", "103", "104", "105", "106")
BUDGET_MICROS = 40_000_000


@dataclass(frozen=True, slots=True)
class Mood:
    """How a campaign does for a while, as factors of its usual figures."""

    since: float
    until: float
    clicks: float = 1.0
    price: float = 1.0
    impressions: float = 1.0
    revenue: float = 1.0


# By campaign; shares of the story's length.
MOODS = {
    0: Mood(0.3, 0.65, clicks=0.3),
    1: Mood(0.4, 0.75, price=5.0),
    2: Mood(0.6, 0.75, clicks=4.0, impressions=4.0),
    3: Mood(0.6, 0.8, impressions=0.05, clicks=0.05),
    4: Mood(0.2, 1.0, revenue=0.1),
    5: Mood(0.5, 0.6, clicks=0.2),
}
USUAL = Mood(0.0, 1.0)


def story(events: int, seed: int = 1) -> Iterator[LedgerEvent]:
    """`events` own events in the order of their arrival, and what comes between them."""
    hours = min(LONGEST_H, max(SHORTEST_H, events // EVENTS_AN_HOUR))
    end_ms = START_MS + hours * HOUR_MS
    dice = random.Random(seed)
    parts = (_own(events, end_ms, dice), _reports(hours, random.Random(seed + 1)), _ticks(end_ms))
    yield from merge(*parts, key=lambda event: event.received_ms)


def _own(events: int, end_ms: int, dice: random.Random) -> Iterator[LedgerEvent]:
    again: LedgerEvent | None = None
    for number in range(events):
        at_ms = START_MS + number * (end_ms - START_MS) // events
        if again is not None:
            yield replace(again, received_ms=at_ms, counts=False)
            again = None
            continue
        event = _event(number, at_ms, (at_ms - START_MS) / (end_ms - START_MS), dice)
        if dice.random() < REPEATED:
            again = event
        yield event


def _event(number: int, received_ms: int, share: float, dice: random.Random) -> LedgerEvent:
    who = int(CAMPAIGNS * dice.random() ** 1.3)
    platform, zone = PLACES[who % len(PLACES)]
    mood = MOODS.get(who, USUAL)
    if not mood.since <= share < mood.until:
        mood = USUAL
    late_ms = dice.randrange(3 * HOUR_MS) if dice.random() < LATE else dice.randrange(400)
    body = {
        "event_id": f"s-{number:08d}",
        "platform": platform,
        "account_id": f"acc{who % len(PLACES)}",
        "campaign_id": f"c{who}",
        "ad_id": f"a{dice.randrange(2)}",
        "at": received_ms - late_ms,
        "currency": "EUR",
        "zone": zone,
    }
    said, adds = _figures(dice.choices(("impression", "click", "conversion"), (70, 25, 5))[0], mood, dice)
    event = LedgerEvent(
        event_id=f"s-{number:08d}",
        campaign=f"{platform}:acc{who % len(PLACES)}:c{who}",
        at_ms=received_ms - late_ms,
        received_ms=received_ms,
        value=json.dumps({**body, **said}).encode(),
        zone=zone,
    )
    return replace(event, **adds)


def _figures(kind: str, mood: Mood, dice: random.Random) -> tuple[dict[str, object], dict[str, Any]]:
    """What the event says, and what that adds."""
    if kind == "impression":
        count = max(1, round(dice.randint(50, 150) * mood.impressions))
        return {"type": kind, "count": count}, {"impressions": count}
    if kind == "click":
        count = max(1, round(dice.randint(10, 40) * mood.clicks))
        spend = round(count * dice.randint(400_000, 700_000) * mood.price)
        return {"type": kind, "count": count, "spend_micros": spend}, {"clicks": count, "spend_micros": spend}
    revenue = round(dice.randint(200_000_000, 400_000_000) * mood.revenue)
    return {"type": kind, "revenue_micros": revenue}, {"conversions_micros": 1_000_000, "revenue_micros": revenue}


def _ticks(end_ms: int) -> Iterator[LedgerEvent]:
    """Between the events, and some behind the last."""
    last = [end_ms + HOUR_MS, end_ms + CLOSED_AFTER_MS]
    for at_ms in [*range(START_MS + TICK_MS, end_ms, TICK_MS), *last]:
        for partition in range(PARTITIONS):
            yield LedgerEvent("", "", at_ms, at_ms, None, partition=partition, counts=False)


def _reports(hours: int, dice: random.Random) -> Iterator[LedgerEvent]:
    """A run an hour: today's hours and the last five, each time as the platform now sees them, and the days."""
    for campaign in REPORTED:
        yield from _entity(campaign)
    usual = {campaign: dice.randint(4_000_000, 9_000_000) for campaign in REPORTED}
    for run in range(1, hours + 1):
        now_ms = START_MS + run * HOUR_MS - MINUTE_MS
        for campaign in REPORTED:
            yield from _rows(campaign, run, now_ms, usual[campaign])
        yield from _complete(now_ms)


def _entity(campaign: str) -> Iterator[LedgerEvent]:
    rows = GoogleRows(zone=REPORT_ZONE)
    rows.entity(campaign, budget_micros=BUDGET_MICROS, at_ms=START_MS)
    yield from _taken(rows, START_MS, f"{campaign} entity")


def _rows(campaign: str, run: int, now_ms: int, usual: int) -> Iterator[LedgerEvent]:
    days: dict[str, list[int]] = {}
    for hour in range(run):
        local = datetime.fromtimestamp((START_MS + hour * HOUR_MS) / 1000, UTC).astimezone(ZoneInfo(REPORT_ZONE))
        figures = _as_seen(campaign, hour, run - 1 - hour, usual)
        day = days.setdefault(str(local.date()), [0, 0, 0])
        for index, n in enumerate(figures):
            day[index] += n
        if hour >= run - 6:
            rows = GoogleRows(zone=REPORT_ZONE)
            metrics = {"impressions": str(figures[1]), "clicks": str(figures[2])}
            rows.hour(campaign, str(local.date()), local.hour, at_ms=now_ms, spend_micros=figures[0], **metrics)
            start_ms = dict(windows_of(REPORT_ZONE, START_MS + hour * HOUR_MS))["1h"]
            yield from _taken(rows, now_ms, campaign, "1h", start_ms, tuple(figures))
    for date, figures in days.items():
        rows = GoogleRows(zone=REPORT_ZONE)
        metrics = {"impressions": str(figures[1]), "clicks": str(figures[2])}
        rows.day(campaign, date, at_ms=now_ms, spend_micros=figures[0], **metrics)
        at = datetime.fromisoformat(date).replace(hour=12, tzinfo=ZoneInfo(REPORT_ZONE))
        start_ms = dict(windows_of(REPORT_ZONE, int(at.timestamp()) * 1000))["1d"]
        yield from _taken(rows, now_ms, campaign, "1d", start_ms, tuple(figures))


def _as_seen(campaign: str, hour: int, age: int, usual: int) -> list[int]:
    """Spend, impressions, clicks: an hour grows while it is young; of one campaign it is taken back in part."""
    growth = 80 + min(age, 2) * 10
    if campaign == REPORTED[0]:
        growth = 300 if age < 4 else 60
    if campaign == REPORTED[1]:
        growth *= 2
    spend = usual * growth // 100 * (100 + 7 * (hour % 5)) // 100
    return [spend, 900 + 50 * (hour % 7), (90 if campaign != REPORTED[2] or hour < 5 else 20) * growth // 100]


def _complete(now_ms: int) -> Iterator[LedgerEvent]:
    date = str(datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(REPORT_ZONE)).date())
    for report in ("campaign_hour", "campaign_day"):
        rows = GoogleRows(zone=REPORT_ZONE)
        rows.complete(report, date, date, at_ms=now_ms)
        yield from _taken(rows, now_ms, f"{report} complete")


def _taken(
    rows: GoogleRows, now_ms: int, name: str, window: str = "", start_ms: int = 0, figures: tuple[int, ...] = (0, 0, 0)
) -> Iterator[LedgerEvent]:
    for message in rows.take():
        campaign = "" if message.key is None else f"google_ads:{ACCOUNT}:{name}" if window else message.key.decode()
        yield LedgerEvent(
            event_id=f"r-{name}-{window}-{start_ms}-{now_ms}-{message.partition}",
            campaign=campaign,
            at_ms=now_ms,
            received_ms=now_ms,
            value=message.value,
            spend_micros=figures[0],
            impressions=figures[1],
            clicks=figures[2],
            zone=REPORT_ZONE,
            counts=bool(window),
            partition=message.partition,
            topic=message.topic,
            row=f"{name}|{window}|{start_ms}" if window else "",
            window=window,
            start_ms=start_ms,
        )
