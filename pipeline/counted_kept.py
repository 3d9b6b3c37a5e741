"""Counted rows as the changelog keeps them: `pipeline.native` makes the same bytes at a tenth of the cost."""

from collections.abc import Collection

from pipeline.counted_slots import Target
from pipeline.per_record import native
from pipeline.state import KeptRow


def kept_rows(targets: Collection[Target], *, in_c: bool) -> list[tuple[bytes, KeptRow]]:
    """(row key, row); made in C they are encoded already."""
    if in_c:
        try:
            return native.kept(list(targets))
        except OverflowError:  # a sum beyond 64 bits
            pass
    return [(slot.kept_key(name), slot.kept_row(row)) for slot, name, row in targets]
