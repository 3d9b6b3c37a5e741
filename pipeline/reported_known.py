"""Records of rows whose frame is known, of the run that is being read: nearly all of a report.

`pipeline.native` does the same in C to what is plain, where it could be built: it reads records where they lie in the
bytes of a fetch, and makes no object of one whose figures are as they were. Tests hold the two together.
"""

from collections.abc import Sequence
from typing import Any

from pipeline.codes import DropReason
from pipeline.normalize.google_ads import read_figures
from pipeline.normalize.google_ads_head import NOTHING, Head, parts_of
from pipeline.per_record import native
from pipeline.reported_campaigns import ReportedCampaigns
from pipeline.reported_frames import Frames
from pipeline.reported_hand_over import HandOver
from pipeline.reported_rows import FETCHED_AT, FIGURES, KEY, NAMED, ORDER, REVISION, SAME_UNTIL, SEEN
from pipeline.reported_totals import text_of_totals
from pipeline.state import SourceRecord
from pipeline.tallies import EMITTED, Tallies
from pipeline.versions import ORDER_BITS, order_of
from schemas.topics import TOTALS

STALE_MS = -1  # before every row: a run that is older than a completed read is looked at row by row


class KnownRows:
    """`head`: of the run that is being read, None before the first and after a record that is not about one row."""

    def __init__(
        self, campaigns: ReportedCampaigns, out: HandOver, tallies: Tallies, generation: int, *, in_c: bool
    ) -> None:
        self._campaigns, self._out, self._tallies, self._generation = campaigns, out, tallies, generation
        self._in_c = in_c
        self._total = (TOTALS, text_of_totals(out.topic, out.partition))
        self.frames = Frames(in_c=in_c)
        self.head: Head | None = None
        self._prefix, self._fetched_at_ms = NOTHING, STALE_MS

    def turn_to(self, head: Head | None, fetched_at_ms: int) -> None:
        """The run whose records begin with this head. `fetched_at_ms`: `STALE_MS` where a completed read is newer."""
        self.head, self._fetched_at_ms = head, fetched_at_ms
        self._prefix = NOTHING if head is None else head.prefix

    def is_of_run(self, value: bytes) -> bool:
        return value.startswith(self._prefix)

    def count(self, records: Sequence[SourceRecord], position: int) -> int:
        """Apply records from `position` on up to the first that must be looked at as a whole: its position."""
        if self.head is None:
            return position
        count = self._in_native if self._in_c else self._in_python
        position, unchanged, changed = count(records, position, self.head)
        if unchanged:
            self._tallies.add("dropped", DropReason.UNCHANGED, unchanged)
        if changed:
            self._tallies.counts[EMITTED] += changed
        return position

    def _in_native(self, records: Sequence[SourceRecord], position: int, head: Head) -> tuple[int, int, int]:
        run = (head.prefix, head.place_number, self._fetched_at_ms, order_of(self._generation, -1), ORDER_BITS)
        out = self._out
        return native.known_rows(
            records, position, run, self.frames.rows, self._campaigns.rows, self._total, out.outputs, out.changed
        )

    def _in_python(self, records: Sequence[SourceRecord], position: int, head: Head) -> tuple[int, int, int]:
        framed, number_of, fetched_at_ms = self.frames.rows, self.frames.number_of, self._fetched_at_ms
        prefix, unchanged, changed = head.prefix, 0, 0
        for place in range(position, len(records)):
            record = records[place]
            value = record.value
            if value is None or not value.startswith(prefix) or (parts := parts_of(head, value)) is None:
                return place, unchanged, changed
            row = framed.get(number_of(head, record.key, parts))
            if row is None or not row[FETCHED_AT] <= fetched_at_ms < row[SAME_UNTIL]:
                return place, unchanged, changed
            seen = self.frames.figures_number(parts[1])
            if row[SEEN] != seen:
                measures = read_figures(parts[1]) if row[NAMED] else None
                if measures is None:
                    return place, unchanged, changed
                row[SEEN] = seen
                if measures != row[FIGURES]:
                    self.revise(row, record.offset, fetched_at_ms, measures)
                    changed += 1
                    continue
            row[FETCHED_AT] = fetched_at_ms
            unchanged += 1
        return len(records), unchanged, changed

    def revise(self, row: list[Any], offset: int, fetched_at_ms: int, measures: tuple[int, ...]) -> None:
        """The row has other figures, or says something else of its own: publish it."""
        row[ORDER], row[FETCHED_AT], row[FIGURES] = order_of(self._generation, offset), fetched_at_ms, measures
        row[REVISION] += 1
        self.publish(row)

    def publish(self, row: list[Any]) -> None:
        name, status = self._campaigns.name_and_status(row[KEY][0])
        self._out.total(row[KEY], row, name, status)
