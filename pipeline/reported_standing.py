"""Which rows stand exactly as a record says, by the bytes of it: a row that comes again as it was is not even read.

A cache, not state: empty after a restore and filled by what is read from then on; with or without it a state comes to
the same. A mark is 128 bits out of two keyed hashes (SipHash, as of any `bytes`) of account, report, key and row; two
rows with one mark are not to be expected in the life of this universe.
"""

from typing import Any

from pipeline.reported_rows import MARK, SAME_UNTIL

LOW = (1 << 64) - 1
NO_MARK = 0


def mark_of(place: tuple[str, str], key: bytes | None, body: bytes) -> int:
    """`body`: the bytes of a record behind its head."""
    return hash((place, key, body)) << 64 | hash(body[1:]) & LOW


class Standing:
    def __init__(self) -> None:
        self.rows: dict[int, list[Any]] = {}

    def put(self, row: list[Any], mark: int, same_until_ms: int) -> None:
        """The row stands as the record with this mark says, and no longer as any other does."""
        if row[MARK] != mark:
            self.drop(row)
            if mark != NO_MARK:
                row[MARK] = mark
                self.rows[mark] = row
        row[SAME_UNTIL] = same_until_ms

    def drop(self, row: list[Any]) -> None:
        if row[MARK] != NO_MARK:
            del self.rows[row[MARK]]
            row[MARK] = NO_MARK
