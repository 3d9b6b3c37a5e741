"""Totals that nobody can miss: a higher version of the same total, known within the same minute, is in the same block.

A busy campaign publishes its minute and its day up to 40 times a second. Tables of totals keep the highest version
anyway; the history keeps what was known at every minute, and whatever is the highest version of its block.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from operator import attrgetter

import msgspec

from pipeline.state import SourceRecord

MINUTE_MS = 60_000
_key = attrgetter("key")


class _Known(msgspec.Struct, gc=False):
    """As much of a total as it takes to see whether another one supersedes it."""

    total_id: str
    as_of_ms: int
    version: int


_known: Callable[[bytes], _Known] = msgspec.json.Decoder(_Known).decode


def unsuperseded(records: Sequence[SourceRecord]) -> Sequence[SourceRecord]:
    """Of totals of one id and one minute of `as_of_ms` the highest version, in the order they came.

    Versions are compared, for after a replay a later record may be the lower one; of equal versions, which are equal
    values, the last stays. Records whose key is there once are not read. Raises msgspec.MsgspecError when one that is
    read is no total; what is superseded is not looked at any further.
    """
    times = Counter(map(_key, records))
    if len(times) == len(records):
        return records
    highest: dict[tuple[str, int], tuple[int, int]] = {}  # (id, minute) -> (version, index)
    kept: list[int] = []
    for index, record in enumerate(records):
        if times[record.key] == 1:
            kept.append(index)
            continue
        known = _known(record.value or b"")
        place = (known.total_id, known.as_of_ms // MINUTE_MS)
        held = highest.get(place)
        if held is None or known.version >= held[0]:
            highest[place] = (known.version, index)
    kept += [index for _, index in highest.values()]
    kept.sort()
    return [records[index] for index in kept]
