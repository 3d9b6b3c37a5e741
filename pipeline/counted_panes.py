"""A minute of one campaign and ad while its records come in: the only thing that is touched per record."""

from pipeline.counted_rows import Campaign
from pipeline.events import COUNTED_IN, EventIn, measures_of
from schemas.measures import CONVERSIONS, MICROS, REVENUE, SPEND, ZERO

# pane = [last offset, latest timestamp, *measures in the order of schemas.measures]
PANE_MEASURES_AT = 2
PaneKey = tuple[Campaign, str | None, int]  # campaign, ad id, minute_ms
COUNTED_AT: dict[str, int] = {name: index + PANE_MEASURES_AT for name, index in COUNTED_IN.items()}
SPEND_AT, REVENUE_AT, CONVERSIONS_AT = (index + PANE_MEASURES_AT for index in (SPEND, REVENUE, CONVERSIONS))


def pane_of(offset: int, timestamp_ms: int, event: EventIn) -> list[int]:
    pane = [offset, timestamp_ms, *ZERO]
    add_to_pane(pane, offset, timestamp_ms, event)
    return pane


def add_to_pane(pane: list[int], offset: int, timestamp_ms: int, event: EventIn) -> None:
    """What an event adds: see `pipeline.events.measures_of`, which a test holds this against."""
    pane[0], pane[1] = offset, max(pane[1], timestamp_ms)
    for index, n in enumerate(measures_of(event), PANE_MEASURES_AT):
        pane[index] += n


def conversions_of(event: EventIn) -> int:
    """Micro-conversions an event adds."""
    if event.conversions_micros is not None:
        return event.conversions_micros
    return event.count * MICROS if event.type == "conversion" else 0
