"""Counters of a state since they were last asked for: ("received", ""), ("dropped", reason) and so on."""

from collections import defaultdict

EMITTED = ("emitted", "")


class Tallies:
    def __init__(self) -> None:
        self.counts: defaultdict[tuple[str, str], int] = defaultdict(int)

    def add(self, kind: str, label: str = "", n: int = 1) -> None:
        self.counts[kind, label] += n

    def take(self) -> dict[tuple[str, str], int]:
        counts, self.counts = self.counts, defaultdict(int)
        return counts
