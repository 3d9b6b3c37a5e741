"""The stateful stages: which topic feeds which state, and where that state is kept."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.codes import Stage as StageName
from pipeline.state import StageState

MakeState = Callable[[int, str, int], StageState]  # (partition, topic id, generation) -> empty state


@dataclass(frozen=True, slots=True)
class Stage:
    """One source topic, one state per partition of it, one changelog with the same partitions."""

    name: str
    label: StageName
    source: str
    changelog: str
    make: MakeState
