"""Slots: where a minute is counted, what waits for an end, and which rows are given up when."""

from pipeline.counted_rows import AS_OF, FINAL
from pipeline.counted_slots import DAY, FIVE_MINUTES, GRACE_MS, HOUR, MINUTE, Slot, Slots
from pipeline.expiry import FAR_MS

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
T0 = 1_790_000_000_000 - 1_790_000_000_000 % DAY_MS
HORIZON_MS = {MINUTE: 2 * HOUR_MS, FIVE_MINUTES: 2 * HOUR_MS, HOUR: 5 * HOUR_MS, DAY: 30 * HOUR_MS}


def row(as_of_ms: int, flags: int = 0) -> list[int]:
    return [1, as_of_ms, 0, flags, 7]


def gone(slots: Slots, clock_ms: int) -> list[tuple[str, str]]:
    return [(slot.window, name) for slot, name, _ in slots.give_up(clock_ms)]


def test_a_minute_of_a_campaign_is_counted_in_four_slots_and_one_of_an_ad_in_two() -> None:
    of_ads, of_campaigns = Slots(HORIZON_MS).places("UTC", T0, T0)
    assert [place.slot.window for place in of_ads] == [HOUR, DAY]
    assert [place.slot.window for place in of_campaigns] == [HOUR, DAY, MINUTE, FIVE_MINUTES]
    assert [place.slot.end_ms - T0 for place in of_campaigns] == [HOUR_MS, DAY_MS, 60_000, 300_000]


def test_zones_share_the_slots_of_their_common_hours_and_have_days_of_their_own() -> None:
    slots = Slots(HORIZON_MS)
    _, utc = slots.places("UTC", T0, T0)
    _, berlin = slots.places("Europe/Berlin", T0, T0)
    assert [a.slot is b.slot for a, b in zip(utc, berlin, strict=True)] == [True, False, True, True]


def test_a_row_that_begins_in_a_slot_whose_time_is_over_is_final() -> None:
    slots = Slots(HORIZON_MS)
    _, places = slots.places("UTC", T0, T0 + 60_000 + GRACE_MS)
    assert {place.slot.window: place.flags for place in places} == {HOUR: 0, DAY: 0, MINUTE: FINAL, FIVE_MINUTES: 0}


def test_slots_wait_for_their_end_once_and_come_when_the_grace_is_over() -> None:
    slots = Slots(HORIZON_MS)
    slots.places("UTC", T0, T0)
    slots.places("Asia/Kolkata", T0, T0)
    assert slots.next_change_ms() == T0 + 60_000 + GRACE_MS
    assert list(slots.over(T0 + 60_000 + GRACE_MS - 1)) == []
    assert [slot.window for slot in slots.over(T0 + 300_000 + GRACE_MS)] == [MINUTE, FIVE_MINUTES]
    assert list(slots.over(T0 + 300_000 + GRACE_MS)) == []


def test_a_row_changed_late_pushes_only_itself_back() -> None:
    slots = Slots(HORIZON_MS)
    slot = slots.at(MINUTE, T0, T0 + 60_000, T0)
    slot.rows |= {"a": row(T0), "late": row(T0 + 90 * 60_000), "b": row(T0)}
    assert gone(slots, T0 + 3 * HOUR_MS - 1) == []
    assert gone(slots, T0 + 3 * HOUR_MS) == [(MINUTE, "a"), (MINUTE, "b")]
    assert list(slot.rows) == ["late"]
    assert slots.next_change_ms() == T0 + 4 * HOUR_MS
    assert gone(slots, T0 + 4 * HOUR_MS) == [(MINUTE, "late")]
    assert list(slots) == []
    assert slots.next_change_ms() == FAR_MS


def test_a_row_changed_after_its_slot_was_looked_at_stays_for_its_time() -> None:
    slots = Slots(HORIZON_MS)
    slot = slots.at(MINUTE, T0, T0 + 60_000, T0)
    slot.rows |= {"a": row(T0), "late": row(T0 + HOUR_MS)}
    assert gone(slots, T0 + 3 * HOUR_MS) == [(MINUTE, "a")]
    slot.rows["late"][AS_OF] = T0 + 3 * HOUR_MS + 1
    assert gone(slots, T0 + 5 * HOUR_MS) == []
    assert gone(slots, T0 + 6 * HOUR_MS) == [(MINUTE, "late")]


def test_a_row_that_begins_in_a_slot_others_have_stayed_in_is_due_before_them() -> None:
    slots = Slots(HORIZON_MS)
    slot = slots.at(MINUTE, T0, T0 + 60_000, T0)
    slot.rows |= {"a": row(T0), "late": row(T0 + 2 * HOUR_MS)}
    assert gone(slots, T0 + 3 * HOUR_MS) == [(MINUTE, "a")]
    assert slot.is_pushed
    slot.rows["new"] = row(T0 + HOUR_MS)  # by a record that says an earlier time
    slots.watch_late(slot, T0 + HOUR_MS)
    assert gone(slots, T0 + 4 * HOUR_MS) == [(MINUTE, "new")]
    slot.rows["late"][AS_OF] += HOUR_MS
    assert gone(slots, T0 + 5 * HOUR_MS) == []
    assert gone(slots, T0 + 6 * HOUR_MS) == [(MINUTE, "late")]
    assert slots.next_change_ms() == FAR_MS


def test_a_slot_that_is_made_late_is_looked_at_when_its_first_row_is_due_or_one_that_says_an_earlier_time() -> None:
    slots = Slots(HORIZON_MS)
    slot = slots.at(MINUTE, T0, T0 + 60_000, T0 + 9 * HOUR_MS)
    slot.rows["a"] = row(T0 + 9 * HOUR_MS)
    assert slots.next_change_ms() == T0 + 12 * HOUR_MS
    slot.rows["b"] = row(T0 + 5 * HOUR_MS)
    slots.watch_late(slot, T0 + 5 * HOUR_MS)
    assert gone(slots, T0 + 8 * HOUR_MS) == [(MINUTE, "b")]
    assert gone(slots, T0 + 12 * HOUR_MS) == [(MINUTE, "a")]
    assert slots.next_change_ms() == FAR_MS


def test_no_row_begins_in_a_day_of_which_rows_were_given_up_but_those_that_stayed_are_found() -> None:
    slots = Slots(HORIZON_MS)
    kept = slots.at(DAY, T0, T0 + DAY_MS, T0)
    kept.rows["a"] = row(T0)
    for window in (MINUTE, FIVE_MINUTES, HOUR, DAY):
        slots.expiry.forget(window, T0)
    _, places = slots.places("UTC", T0, T0 + 2 * DAY_MS)
    assert [(place.slot, place.flags) for place in places] == [(kept, None)]


def test_a_slot_nothing_was_counted_in_goes_when_it_is_due() -> None:
    slots = Slots(HORIZON_MS)
    slots.places("UTC", T0, T0)
    assert gone(slots, T0 + 60 * HOUR_MS) == []
    assert list(slots) == []


def test_slots_of_one_start_and_two_ends_stand_side_by_side_and_a_row_is_found_in_either() -> None:
    slots = Slots(HORIZON_MS)
    short, long = slots.at(DAY, T0, T0 + 23 * HOUR_MS, T0), slots.at(DAY, T0, T0 + DAY_MS, T0)
    short.rows["a"], long.rows["b"] = row(T0), row(T0)
    assert [found[0] for name in "ab" if (found := slots.find(name, DAY, T0))] == [short, long]
    assert slots.find("c", DAY, T0) is None
    place = slots.places("UTC", T0, T0)[0][1]
    assert (place.slot, place.others) == (long, (short,))


def test_keys_of_rows_are_those_of_the_changelog() -> None:
    slot = Slot(HOUR, T0, T0 + HOUR_MS)
    assert slot.kept_key("email:acc:c") == b"email:acc:c||1h|%d" % (T0 // 1000)
    assert slot.kept_key("email:acc:c|ad") == b"email:acc:c|ad|1h|%d" % (T0 // 1000)
    assert slot.key_of("email:acc:c|ad") == ("email:acc:c", "ad", HOUR, T0)
    assert slot.kept_row([1, 2, 3, 0, 9]) == [1, 2, 3, 0, T0 + HOUR_MS, 9]
