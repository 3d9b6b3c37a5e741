"""What a stage says of itself: how many records came to what, and how far behind each partition is."""

from collections.abc import Callable, Mapping

from agents.restore import Held
from connectors import telemetry


def tell_tallies(held: Held) -> None:
    """What was counted since the last call."""
    stage = held.stage.label
    for (kind, label), n in held.state.tallies().items():
        if kind == "received":
            telemetry.received(stage, n)
        elif kind == "emitted":
            telemetry.emitted(stage, n)
        elif kind == "dropped":
            telemetry.dropped(stage, label, n)
        elif kind == "unknown_campaign":
            telemetry.unknown_campaigns(stage, n, held.stage.source)
        else:
            telemetry.dead_lettered(stage, label, n)


def tell_lag(partitions: Mapping[tuple[str, int], Held], end_of: Callable[[str, int], int | None], now_ms: int) -> None:
    """In records and in time. `end_of`: the end of a partition as last fetched."""
    behind_s: dict[str, float] = {}
    for (topic, number), held in partitions.items():
        end = end_of(topic, number)
        if end is not None:
            telemetry.consumer_lag(topic, number, max(0, end - held.state.counted_to - 1))
        if held.state.clock_ms > 0:
            late_s = max(0.0, (now_ms - held.state.clock_ms) / 1000)
            behind_s[held.stage.label] = max(behind_s.get(held.stage.label, 0.0), late_s)
    for label, late_s in behind_s.items():
        telemetry.event_lag_s(label, late_s)
