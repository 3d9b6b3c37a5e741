"""What a state has to say, put together as it will be sent: pairs of key and value in runs of one topic.

Where C was built, pairs are records of batches from the moment they are made (`pipeline.native.Pairs`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias, cast

from pipeline.per_record import BUILT, native
from pipeline.state import KeptRow, Output

Pair = tuple[bytes | None, bytes | None]
Pairs: TypeAlias = "list[Pair] | native.Pairs"
# Compresses the records of a batch as soon as there are no more to come: of a flush there may be many megabytes.
Pack = Callable[[bytes], bytes]
Rows: TypeAlias = "Collection[tuple[bytes, KeptRow]] | native.Pairs"
# Of a batch with its header, before compression. Small ones cost the client and the broker most; what cannot be
# compressed stays below the 1 MiB a broker takes unless told otherwise.
BATCH_BYTES = 960 << 10
# As much as message format 2 has before its records, and one: aiokafka's builder wants to stay below.
HEADER_BYTES, RECORD_BYTES = 61, BATCH_BYTES - 61 - 1

_topic_of = itemgetter(0)  # of an Output


def no_pairs(*, in_c: bool = BUILT, pack: Pack | None = None) -> Pairs:
    return pairs_in_c(pack) if in_c else []


def pairs_in_c(pack: Pack | None = None) -> "native.Pairs":
    return native.Pairs(RECORD_BYTES, pack)


class Outputs(Collection[Output]):
    """In the order in which they are to be published. `runs`: each of another topic than the one before."""

    def __init__(self, *, in_c: bool, pack: Pack | None = None) -> None:
        self._in_c, self._pack = in_c, pack
        self.runs: list[tuple[str, Pairs]] = []

    def append(self, output: Output) -> None:
        topic, key, value = output
        if not self.runs or self.runs[-1][0] != topic:
            self.runs.append((topic, no_pairs(in_c=self._in_c, pack=self._pack)))
        self.runs[-1][1].append((key, value))

    def run_to_fill(self, topic: str) -> "list[Pair]":
        """What comes next of this topic, as a list: the caller puts pairs into it, and others in their place."""
        if self.runs and self.runs[-1][0] == topic and isinstance(self.runs[-1][1], list):
            return self.runs[-1][1]
        pairs: list[Pair] = []
        self.runs.append((topic, pairs))
        return pairs

    def add(self, topic: str, pairs: Pairs) -> None:
        """Pairs that the caller gives away."""
        if not self.runs or self.runs[-1][0] != topic:
            if len(pairs):
                self.runs.append((topic, pairs))
        else:
            self.runs[-1][1].extend(pairs)

    def __len__(self) -> int:
        return sum(len(pairs) for _, pairs in self.runs)

    def __iter__(self) -> Iterator[Output]:
        for topic, pairs in self.runs:
            for key, value in pairs:
                yield topic, key, cast("bytes", value)

    def __contains__(self, output: object) -> bool:
        return any(one == output for one in self)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Collection) else NotImplemented

    __hash__ = None  # type: ignore[assignment]


def runs_of(outputs: Iterable[Output]) -> Iterable[tuple[str, Pairs]]:
    """Runs of one topic each, in order. Whoever takes those of `Outputs` has them to himself."""
    if isinstance(outputs, Outputs):
        return outputs.runs
    return ((topic, [(key, value) for _, key, value in run]) for topic, run in groupby(outputs, _topic_of))


class Parts(Collection[tuple[bytes, KeptRow]]):
    """Rows to keep, in the order of their parts."""

    def __init__(self, parts: Sequence[Rows]) -> None:
        self.parts = [part for part in parts if len(part)]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def __iter__(self) -> Iterator[tuple[bytes, KeptRow]]:
        for part in self.parts:
            yield from cast("Collection[tuple[bytes, KeptRow]]", part)

    def __contains__(self, row: object) -> bool:
        return any(one == row for one in self)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Collection) else NotImplemented

    __hash__ = None  # type: ignore[assignment]
