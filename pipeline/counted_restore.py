"""Rows of the changelog back into their slots. Whatever stands in the loop is done a million times."""

from collections.abc import Callable, Iterable

from pipeline.counted_rows import AS_OF, CORRECTED, END, MEASURES_AT, ORDER, Campaign, Row
from pipeline.counted_slots import Slot, Slots, Target
from pipeline.versions import offset_of


def rows_into_slots(
    rows: Iterable[tuple[bytes, Row]], slots: Slots, campaign_of: Callable[[str], Campaign]
) -> tuple[list[Target], int]:
    """Returns the rows that wait to be published as corrected, and the last offset in any row; -1 where there is none.

    Each row is as final as it says itself: one may be further than the clock of the partition.
    """
    placed: dict[tuple[str, int], Slot] = {}
    names: dict[str, str] = {}
    corrected: list[Target] = []
    furthest, last_name, last_order, last_as_of = -1, "", 0, 0
    last_measures: Row = [0]
    for key, kept in rows:
        # Rows that one record changed were written one after the other: they may share its name and numbers.
        name, _, place = key.decode().partition("|")
        if place[0] != "|":
            ad_id, _, place = place.partition("|")
            name = f"{name}|{ad_id}"
        if name != last_name:
            last_name = names.get(name) or _share(name, names, campaign_of)
        name = last_name
        slot = placed.get((place, kept[END]))
        if slot is None:
            slot = placed[place, kept[END]] = _slot(slots, place, kept[END], kept[AS_OF])
        measures = kept[MEASURES_AT:]
        if measures == last_measures:
            measures = last_measures
        last_measures = measures
        row = slot.rows[name] = kept[:END] + measures
        order, as_of_ms, _, flags = kept[:END]
        if order == last_order:
            row[ORDER] = last_order
        else:
            last_order = order
            furthest = max(furthest, offset_of(order))
        if as_of_ms == last_as_of:
            row[AS_OF] = last_as_of
        else:
            last_as_of = as_of_ms
        if slot.is_pushed:
            slots.watch_late(slot, as_of_ms)
        if flags & CORRECTED:
            corrected.append((slot, name, row))
        elif not flags and not slot.is_waiting:
            slots.wait_for_end(slot)
    return corrected, furthest


def _share(name: str, names: dict[str, str], campaign_of: Callable[[str], Campaign]) -> str:
    """One object for all rows of an ad, or of a campaign and the campaign itself."""
    try:
        shared = campaign_of(name).key
    except KeyError:  # an ad, or a campaign that is read later
        shared = name
    names[shared] = shared
    return shared


def _slot(slots: Slots, place: str, end_ms: int, as_of_ms: int) -> Slot:
    """`place`: what is behind the ad in the key of a row, or behind the campaign with an empty ad."""
    window, start_s = place.strip("|").split("|")
    return slots.at(window, int(start_s) * 1000, end_ms, as_of_ms)
