"""A minute of one campaign and ad while its records come in: the only thing that is touched per record."""

from pipeline.counted_rows import Campaign
from pipeline.events import COUNTED_IN, EventIn
from schemas.measures import CONVERSIONS, MICROS, REVENUE, SPEND, ZERO

# pane = [last offset, latest timestamp, *measures in the order of schemas.measures]
PANE_MEASURES_AT = 2
PaneKey = tuple[Campaign, str, int]  # campaign, ad id or "", minute_ms
_COUNTED_AT = {name: index + PANE_MEASURES_AT for name, index in COUNTED_IN.items()}
_SPEND_AT, _REVENUE_AT, _CONVERSIONS_AT = (index + PANE_MEASURES_AT for index in (SPEND, REVENUE, CONVERSIONS))


def pane_of(offset: int, timestamp_ms: int, event: EventIn) -> list[int]:
    pane = [offset, timestamp_ms, *ZERO]
    add_to_pane(pane, offset, timestamp_ms, event)
    return pane


def add_to_pane(pane: list[int], offset: int, timestamp_ms: int, event: EventIn) -> None:
    """What an event adds: see `pipeline.events.measures_of`, which a test holds this against."""
    pane[0] = offset
    pane[1] = max(pane[1], timestamp_ms)
    index = _COUNTED_AT[event.type]
    if index != _CONVERSIONS_AT:
        pane[index] += event.count
        if event.conversions_micros:
            pane[_CONVERSIONS_AT] += event.conversions_micros
    elif event.conversions_micros is None:
        pane[_CONVERSIONS_AT] += event.count * MICROS
    else:
        pane[_CONVERSIONS_AT] += event.conversions_micros
    if event.spend_micros:
        pane[_SPEND_AT] += event.spend_micros
    if event.revenue_micros:
        pane[_REVENUE_AT] += event.revenue_micros
