"""How copies of a row and revisions of a total are ordered.

The *order* of a row is `generation << ORDER_BITS | offset + 1` of the last record counted in it; a rebuild
under a corrected reading starts a new generation, which is above everything before it. The *version* of a
published total adds two bits, so that the same figures become a newer statement when their window's time
is over (`is_final`) or when they can no longer change (`settled`). Both only grow.
"""

from schemas.total import GENERATION_SHIFT

ORDER_BITS = GENERATION_SHIFT - 2


def order_of(generation: int, offset: int) -> int:
    return generation << ORDER_BITS | offset + 1


def offset_of(order: int) -> int:
    return (order & (1 << ORDER_BITS) - 1) - 1


def generation_of(order: int) -> int:
    return order >> ORDER_BITS


def version_of(order: int, *, settled: bool, is_final: bool) -> int:
    return order << 2 | settled << 1 | is_final
