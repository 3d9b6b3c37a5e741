"""What is touched for every record: in C where that could be built, else in Python. Tests hold the two together."""

from pipeline.counted_panes import Pane, Panes, PaneStore
from pipeline.counted_rows import Campaign
from pipeline.event_ids import EventIds
from pipeline.event_refusal import zone_reason
from pipeline.id_memory import IdMemory

try:
    from pipeline import native
except ImportError:  # no C compiler at the installation: several times slower, and three times the memory for event ids
    native = None  # type: ignore[assignment]

__all__ = ["BUILT", "counters", "native"]
BUILT = native is not None


def counters(horizon_h: int, *, in_c: bool) -> tuple[EventIds, PaneStore]:
    """Event ids and panes that belong together. Raises ValueError: `in_c` where it was not built."""
    if not in_c:
        memory = IdMemory()
        return EventIds(horizon_h, memory), Panes(memory)
    if not BUILT:
        raise ValueError("pipeline.native was not built: that takes a C compiler at the installation")
    memory_in_c = native.IdMemory()
    ids = EventIds(horizon_h, memory_in_c, native.IdNames())
    return ids, native.Panes(memory_in_c, Pane, Campaign, zone_reason)
