"""The oracle names exactly the damage there is: one case of each kind, and none where there is none."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.chaos.ledger import UNTOLD, Entry, Ledger, LedgerEvent, digest_of
from tests.chaos.oracle import Alert, Damage, Figures, Findings, RawRow, Stored, WindowKey, judge, windows_of

AT_MS = 1_795_176_061_000  # 2026-11-20T12:01:01Z
MINUTE, FIVE, HOUR, DAY = 1_795_176_060_000, 1_795_176_000_000, 1_795_176_000_000, 1_795_132_800_000
ALERTS: frozenset[Alert] = frozenset({("a1", 1, "firing"), ("a1", 2, "resolved")})
BERLIN = "Europe/Berlin"


def event(name: str, **fields: object) -> LedgerEvent:
    made = LedgerEvent(name, "meta:1:7", AT_MS, AT_MS, f'{{"id":"{name}"}}'.encode(), spend_micros=10, clicks=1)
    return replace(made, **fields)  # type: ignore[arg-type]


def filed(path: Path, events: Iterable[LedgerEvent]) -> Ledger:
    ledger = Ledger(path)
    for offset, each in enumerate(events):
        ledger.add(each, partition=0, offset=offset, sent_ms=AT_MS)
    return ledger


def whole(entries: Iterable[Entry], totals: dict[WindowKey, Figures] | None = None) -> Stored:
    rows: list[RawRow] = [(each.topic, each.partition, each.offset, each.digest) for each in entries]
    return Stored(lambda: rows, totals or {}, ALERTS)


def totals_of(clicks: int, spend: int) -> dict[WindowKey, Figures]:
    starts = {"1m": MINUTE, "5m": FIVE, "1h": HOUR, "1d": DAY}
    return {("meta:1:7", "counted", window, start): (0, clicks, spend, 0, 0) for window, start in starts.items()}


@pytest.fixture
def three(tmp_path: Path) -> Ledger:
    return filed(tmp_path / "ledger", [event("e1"), event("e2"), event("e3"), event("e3", counts=False)])


def without(stored: Stored, change: Callable[[list[RawRow]], list[RawRow]]) -> Stored:
    rows = change(list(stored.raw()))
    return replace(stored, raw=lambda: rows)


def test_a_whole_store_is_whole(three: Ledger) -> None:
    found = judge(three, whole(three, totals_of(3, 30)), ALERTS)
    assert found.ok
    assert (found.sent, found.windows, found.given_up, found.alerts) == (4, 4, 0, 2)


def test_a_record_that_does_not_say_where_it_stands_is_looked_for_like_any_other(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    for offset, name in ((0, "e1"), (UNTOLD, "e2"), (2, "e3")):
        ledger.add(event(name), partition=0, offset=offset, sent_ms=AT_MS)
    placed = [replace(entry, offset=number) for number, entry in enumerate(ledger)]
    assert judge(ledger, whole(placed, totals_of(3, 30)), ALERTS).ok
    assert not judge(ledger, whole(placed[::2], totals_of(3, 30)), ALERTS).ok


def test_one_lost_and_one_doubled_record_are_named_and_nothing_else(three: Ledger) -> None:
    stored = without(
        whole(three, totals_of(3, 30)), lambda rows: [rows[0], rows[2], rows[3], (*rows[0][:2], 99, rows[0][3])]
    )
    found = judge(three, stored, ALERTS)
    assert found.lost == Damage(1, ("e2",))
    assert found.duplicated == Damage(1, ("e1 at raw.events.v1/0/0, raw.events.v1/0/99",))
    assert not found.ok
    clean = Findings(4, 4, 0, Damage(), Damage(), Damage(), Damage(), 0, 0, 2, Damage(), Damage())
    assert replace(found, lost=Damage(), duplicated=Damage()) == clean


def test_of_an_event_sent_twice_both_records_must_be_there(three: Ledger) -> None:
    found = judge(three, without(whole(three, totals_of(3, 30)), lambda rows: rows[:3]), ALERTS)
    assert found.lost == Damage(1, ("e3",))
    assert found.duplicated == Damage()


def test_a_record_that_nobody_sent_is_told(three: Ledger) -> None:
    foreign: RawRow = ("raw.events.v1", 3, 5, digest_of(b"foreign"))
    found = judge(three, without(whole(three, totals_of(3, 30)), lambda rows: [*rows, foreign]), ALERTS)
    assert found.duplicated == Damage(1, ("nobody sent what is at raw.events.v1/3/5",))


def test_an_empty_store_has_lost_everything(three: Ledger) -> None:
    found = judge(three, Stored(list, {}, frozenset()), ALERTS)
    assert found.lost.count == 4
    assert found.too_low.count == 4
    assert found.drift_micros == 120
    assert found.alerts_missing == Damage(2, ("a1 version 1 firing", "a1 version 2 resolved"))


def test_a_micro_too_much_and_a_click_too_few_are_drift_of_their_windows(three: Ledger) -> None:
    totals = totals_of(3, 30)
    totals["meta:1:7", "counted", "1h", HOUR] = (0, 3, 31, 0, 0)
    totals["meta:1:7", "counted", "1d", DAY] = (0, 2, 30, 0, 0)
    found = judge(three, whole(three, totals), ALERTS)
    assert (found.drift_micros, found.drift_other) == (1, 1)
    assert found.too_high == Damage(1, (f"meta:1:7|counted|1h|{HOUR}: spend_micros 30, found 31",))
    assert found.too_low == Damage(1, (f"meta:1:7|counted|1d|{DAY}: clicks 3, found 2",))
    assert found.lost == found.duplicated == Damage()


def test_a_window_that_nothing_calls_for_is_too_high(three: Ledger) -> None:
    totals = totals_of(3, 30) | {("meta:1:8", "counted", "1d", DAY): (0, 0, 5, 0, 0)}
    found = judge(three, whole(three, totals), ALERTS)
    assert (found.too_high.count, found.drift_micros) == (1, 5)


def test_alerts_too_many_and_too_few_are_told_apart(three: Ledger) -> None:
    expected = frozenset({("a1", 1, "firing"), ("a2", 1, "firing")})
    found = judge(three, whole(three, totals_of(3, 30)), expected)
    assert found.alerts_missing == Damage(1, ("a2 version 1 firing",))
    assert found.alerts_extra == Damage(1, ("a1 version 2 resolved",))
    assert not found.ok


def test_of_a_report_row_the_newest_holds(tmp_path: Path) -> None:
    rows = [
        event(f"r{n}", spend_micros=spend, clicks=0, row="7|1d|x", window="1d", start_ms=DAY, topic="raw.google_ads.v1")
        for n, spend in enumerate((100, 250, 90))
    ]
    ledger = filed(tmp_path / "ledger", rows)
    totals: dict[WindowKey, Figures] = {("meta:1:7", "reported", "1d", DAY): (0, 0, 90, 0, 0)}
    assert judge(ledger, whole(ledger, totals), ALERTS).ok
    totals["meta:1:7", "reported", "1d", DAY] = (0, 0, 250, 0, 0)
    assert judge(ledger, whole(ledger, totals), ALERTS).drift_micros == 160


def test_windows_given_up_are_not_compared(tmp_path: Path) -> None:
    late = event("late", received_ms=AT_MS + 3 * 86_400_000)
    ledger = filed(tmp_path / "ledger", [late])
    totals = {key: figures for key, figures in totals_of(1, 10).items() if key[2] in ("1h", "1d")}
    found = judge(ledger, whole(ledger, totals), ALERTS)
    assert found.ok
    assert found.given_up == 2


@pytest.mark.parametrize(
    ("zone", "at", "hour", "day"),
    [
        ("UTC", "2026-11-20T12:01:01", "2026-11-20T12:00", "2026-11-20T00:00"),
        ("Asia/Kolkata", "2026-11-20T12:01:01", "2026-11-20T11:30", "2026-11-19T18:30"),
        # 25 October 2026: Berlin shows two o'clock twice, and the day has 25 hours.
        (BERLIN, "2026-10-25T00:30:00", "2026-10-25T00:00", "2026-10-24T22:00"),
        (BERLIN, "2026-10-25T01:30:00", "2026-10-25T00:00", "2026-10-24T22:00"),
        (BERLIN, "2026-10-25T22:59:59", "2026-10-25T22:00", "2026-10-24T22:00"),
        (BERLIN, "2026-03-29T01:30:00", "2026-03-29T01:00", "2026-03-28T23:00"),
    ],
)
def test_hours_and_days_are_those_of_the_zone(zone: str, at: str, hour: str, day: str) -> None:
    found = dict(windows_of(zone, ms(at)))
    assert (found["1h"], found["1d"]) == (ms(hour), ms(day))


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000
