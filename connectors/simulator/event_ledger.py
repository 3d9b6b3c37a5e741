"""What the event generator has had acknowledged, one NDJSON line an event: the oracle of tests that kill things."""

from pathlib import Path

import orjson

from connectors.simulator.event_market import MarketEvent


class EventLedger:
    """Append-only. A second copy of an event is not a second line.

    `acknowledged` is false for events of a batch that was still under way when the generator had to stop: they may or
    may not have been counted.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)

    def write(self, events: list[MarketEvent], *, acknowledged: bool) -> None:
        """One write for the whole batch, so that a kill leaves whole batches."""
        lines = [orjson.dumps(_line(event, acknowledged=acknowledged)) + b"\n" for event in events]
        if lines:
            self._file.write(b"".join(lines))

    def close(self) -> None:
        self._file.close()


def _line(event: MarketEvent, *, acknowledged: bool) -> dict[str, object]:
    body = event.body
    count = body.get("count", 1)
    return {
        "event_id": body["event_id"],
        "campaign_key": event.key,
        "ad_id": body.get("ad_id", ""),
        "type": body["type"],
        "count": count,
        "spend_micros": body.get("spend_micros", 0),
        "revenue_micros": body.get("revenue_micros", 0),
        "conversions_micros": body.get("conversions_micros", 1_000_000 * count if body["type"] == "conversion" else 0),
        "at_ms": event.at_ms,
        "late": event.late,
        "acknowledged": acknowledged,
    }
