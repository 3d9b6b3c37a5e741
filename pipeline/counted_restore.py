"""Rows of the changelog back into their slots. Whatever stands in the loop is done a million times."""

from collections.abc import Callable, Iterable
from typing import Any, cast

from pipeline.changelog import NewestRows, decode_row
from pipeline.counted_rows import AS_OF, CORRECTED, END, MEASURES_AT, ORDER, Campaign, Row
from pipeline.counted_slots import Slot, Slots, Target
from pipeline.event_ids import PREFIX as IDS_PREFIX
from pipeline.event_ids import EventIds
from pipeline.per_record import native
from pipeline.versions import ORDER_BITS, offset_of


def rows_into_slots(
    rows: "Iterable[tuple[bytes, Row]] | RowsInC", slots: Slots, campaign_of: Callable[[str], Campaign]
) -> tuple[list[Target], int]:
    """Returns the rows that wait to be published as corrected, and the last offset in any row; -1 where there is none.

    Each row is as final as it says itself: one may be further than the clock of the partition.
    """
    return rows.into(slots, campaign_of) if isinstance(rows, RowsInC) else _in_python(rows, slots, campaign_of)


def _in_python(
    rows: Iterable[tuple[bytes, Row]], slots: Slots, campaign_of: Callable[[str], Campaign]
) -> tuple[list[Target], int]:
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


class RowsInC:
    """Rows that C takes from where it has read them. What is not plainly a row of a window comes back, as `other`.

    `campaigns`: those that `learn` was told of. `load_other`: takes all other rows but event ids.
    """

    campaign_type = Campaign

    def __init__(
        self,
        rows: NewestRows,
        campaigns: dict[bytes | None, Campaign],
        learn: Callable[[bytes, Campaign], None],
        ids: EventIds,
        load_other: Callable[[bytes, list[Any]], None],
    ) -> None:
        self._rows, self._ids, self._load_other = rows, ids, load_other
        self._copies, self._memory = cast("native.Copies", rows.in_c), cast("native.IdMemory", ids.memory)
        self.campaigns, self.learn = campaigns, learn
        self._odd: list[tuple[bytes, Row]] = []

    def into(self, slots: Slots, campaign_of: Callable[[str], Campaign]) -> tuple[list[Target], int]:
        """As `rows_into_slots`."""
        self._slots = slots
        self.watch_late, self.wait_for_end = slots.watch_late, slots.wait_for_end
        for key, row in self._rows.first:
            self._load_other(key, row)
        corrected, furthest = native.place_rows(self._copies, self, ORDER_BITS)
        others, last = _in_python(self._odd, slots, campaign_of)
        return corrected + others, max(furthest, last)

    def slot_of(self, place: str, end_ms: int, as_of_ms: int) -> Slot:
        return _slot(self._slots, place, end_ms, as_of_ms)

    def other(self, key: bytes, value: bytes) -> None:
        """Not a row of a window, or one that is not plain."""
        if key.startswith(IDS_PREFIX) and (noted := native.note_ids(self._memory, value)) is not None:
            self._ids.loaded(key, *noted)
        elif key[0]:
            self._odd.append((key, decode_row(value)))
        else:
            self._load_other(key, decode_row(value))
