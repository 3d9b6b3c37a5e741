"""Which rows still have copies in the changelog under other assignments, in 13 to 27 bytes a row.

Of a key 64 bits are kept: enough for as many rows as any memory holds. Keys whose rows are never written again, as most
are not, would be kept for nothing.
"""

from array import array
from collections.abc import Mapping

_number_of = hash  # two numbers in 2**64 mean something else below, and no program will ever see a key that has one
Names = bytes | tuple[bytes, ...]  # assignments: nearly always one, then it stands alone
EMPTY, TAKEN = 0, 1
LEAST_SLOTS = 64


class OldCopies:
    """`copies`: key -> the assignments that hold a copy."""

    def __init__(self, copies: Mapping[bytes, Names]) -> None:
        slots = LEAST_SLOTS
        while slots * 3 < len(copies) * 4:
            slots *= 2
        self._mask = mask = slots - 1
        # A table of open addresses: the number of a key, and where in `_holders` its assignments are.
        self._numbers = numbers = array("q", bytes(8 * slots))
        self._at = at = array("H", bytes(2 * slots))
        self._left = len(copies)
        places: dict[Names, int] = {}
        last, place = None, 0
        for number, names in zip(map(_number_of, copies), copies.values(), strict=True):
            if names is not last:
                last, place = names, places.setdefault(names, len(places))
            slot = number & mask
            while numbers[slot]:
                slot = (slot + 1) & mask
            numbers[slot] = number
            at[slot] = place
        self._holders = list(places)

    def __len__(self) -> int:
        return self._left

    def take(self, key: bytes) -> Names:
        """The assignments that hold a copy of this row; () from the second time on."""
        number = _number_of(key)
        numbers, mask = self._numbers, self._mask
        slot = number & mask
        while (found := numbers[slot]) != number:
            if found == EMPTY:
                return ()
            slot = (slot + 1) & mask
        numbers[slot] = TAKEN
        self._left -= 1
        return self._holders[self._at[slot]]
