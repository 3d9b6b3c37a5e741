"""Rows by the frame of their records: all of a record but its head and its figures.

Most rows of a read are as they were, and of most others nothing has changed but the figures. A record whose frame is
known is one about that row, named as before: if its figures are the same bytes there is nothing to do, else only they
are read. Every other record is read as a whole and makes its frame known.

A cache, not state: it is empty after a restore, and with or without it a state comes to the same. Frames and figures
are told apart by 64-bit keyed hashes (SipHash, as of any `bytes` in Python, with a key that is new in every process).
"""

from typing import Any

from pipeline.normalize.google_ads_head import Head, Parts, is_frame
from pipeline.per_record import native
from pipeline.reported_rows import FRAME, NAMED, SAME_UNTIL, SEEN


class Frames:
    def __init__(self, *, in_c: bool) -> None:
        self.rows: dict[int, list[Any]] = {}
        self._in_c = in_c

    def number_of(self, head: Head, key: bytes | None, parts: Parts) -> int:
        """What the frame is known by."""
        before, _, after = parts
        return (
            native.frame_number(head.place_number, key, before, after)
            if self._in_c
            else hash((head.place, key, before, after))
        )

    def figures_number(self, figures: bytes) -> int:
        return native.figures_number(figures) if self._in_c else hash(figures)

    def put(self, row: list[Any], frame: int, parts: Parts, same_until_ms: int, *, named: bool) -> None:
        """The row stands as this record says up to an instant. `named`: its names too, not the figures alone."""
        if row[FRAME] != frame:
            self.drop(row)
            if not is_frame(parts):
                return
            row[FRAME] = frame
            self.rows[frame] = row
        row[SEEN], row[SAME_UNTIL], row[NAMED] = self.figures_number(parts[1]), same_until_ms, named

    def drop(self, row: list[Any]) -> None:
        """The row stands otherwise, or is no more."""
        if row[FRAME] is not None:
            del self.rows[row[FRAME]]
            row[FRAME] = None
