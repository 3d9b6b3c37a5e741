"""The live table of `pulse up`: parts, today's campaigns, the latest alerts."""

from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agents.local_stack import LocalStack
from agents.tail import Seen
from connectors.local.supervisor import PartState
from schemas.measures import MICROS

CAMPAIGNS_SHOWN = 14
STATE_STYLE = {PartState.RUNNING: "green", PartState.BACKING_OFF: "yellow"}
SEVERITY_STYLE = {"critical": "bold red", "high": "red", "medium": "yellow"}


def view(stack: LocalStack, seen: Seen, *, elapsed_s: float) -> RenderableType:
    return Group(_parts(stack, seen, elapsed_s), _campaigns(seen), _alerts(seen))


def _parts(stack: LocalStack, seen: Seen, elapsed_s: float) -> Text:
    now = datetime.fromtimestamp(stack.clock.now_ms() / 1000, UTC)
    text = Text(f"Campaign Pulse  {now:%Y-%m-%d %H:%M:%S} UTC  ({elapsed_s:.0f} s, speed {stack.clock.speed:g})  ")
    for part in stack.supervisor.status():
        text.append(f"{part.name} ", style=STATE_STYLE.get(part.state, "red"))
    p50, p99 = seen.percentile(0.5), seen.percentile(0.99)
    text.append(f"\ntotals {seen.totals}  alerts {sum(seen.alerts.values())}")
    if p50 is not None and p99 is not None:
        text.append(f"  event to total p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    return text


def _campaigns(seen: Seen) -> Table:
    table = Table(title="Campaign days, largest spend first", title_justify="left", expand=False)
    for name in ("campaign", "basis", "day (UTC start)", "impressions", "clicks", "CTR %", "spend", "of budget"):
        table.add_column(name, justify="left" if name in ("campaign", "basis") else "right")
    # A copy: the tail goes on reading while we draw.
    days = sorted(dict(seen.days).values(), key=lambda day: day.spend_micros, reverse=True)
    for day in days[:CAMPAIGNS_SHOWN]:
        start = datetime.fromtimestamp(day.start_ms / 1000, UTC)
        ctr = f"{100 * day.clicks / day.impressions:.2f}" if day.impressions else ""
        share = f"{day.spend_micros / day.daily_budget_micros:.0%}" if day.daily_budget_micros else ""
        spend = f"{day.spend_micros / MICROS:,.2f} {day.currency}"
        table.add_row(
            day.campaign_name or day.campaign_key,
            day.basis,
            f"{start:%m-%d %H:%M}",
            f"{day.impressions:,}",
            f"{day.clicks:,}",
            ctr,
            spend,
            share,
        )
    return table


def _alerts(seen: Seen) -> Table:
    table = Table(title="Latest alerts", title_justify="left", expand=False)
    for name in ("at (UTC)", "transition", "severity", "message"):
        table.add_column(name)
    for alert in reversed(seen.recent):
        at = datetime.fromtimestamp(alert.at_ms / 1000, UTC)
        style = SEVERITY_STYLE.get(alert.severity, "")
        table.add_row(f"{at:%m-%d %H:%M}", alert.transition, Text(alert.severity, style=style), alert.message)
    return table
