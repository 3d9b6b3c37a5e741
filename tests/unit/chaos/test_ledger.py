"""The ledger gives back what was acknowledged, in order, from the file alone."""

from pathlib import Path

from tests.chaos.ledger import Ledger, LedgerEvent, digest_of
from tests.chaos.story import story

EVENT = LedgerEvent("e1", "meta:1:7", 5, 6, b"{}", spend_micros=10, conversions_micros=3, zone="Asia/Kolkata")


def test_what_was_added_is_read_again_while_it_is_still_written_to(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.add(EVENT, partition=3, offset=41, sent_ms=7)
    (entry,) = ledger
    assert (entry.event_id, entry.campaign, entry.partition, entry.offset) == ("e1", "meta:1:7", 3, 41)
    assert (entry.at_ms, entry.received_ms, entry.sent_ms, entry.zone) == (5, 6, 7, "Asia/Kolkata")
    assert entry.measures == (0, 0, 10, 3, 0)
    assert entry.digest == digest_of(b"{}")
    assert ledger.acked == 1


def test_a_ledger_that_is_opened_again_goes_on(tmp_path: Path) -> None:
    for offset in (0, 1):
        ledger = Ledger(tmp_path / "ledger")
        ledger.add(EVENT, partition=0, offset=offset, sent_ms=0)
        ledger.close()
    assert [entry.offset for entry in Ledger(tmp_path / "ledger")] == [0, 1]


def test_the_key_is_the_campaigns_unless_another_is_given() -> None:
    assert EVENT.record_key == b"meta:1:7"
    assert LedgerEvent("", "", 0, 0, None).record_key is None
    assert LedgerEvent("x", "meta:1:7", 0, 0, b"", key=b"other").record_key == b"other"


def test_the_same_seed_is_the_same_story_and_another_is_not() -> None:
    first, again, other = (list(story(300, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_story_has_as_many_own_events_as_asked_for_and_its_repeats_add_nothing() -> None:
    events = [event for event in story(2_000) if event.topic == "raw.events.v1" and event.value is not None]
    assert len(events) == 2_000
    counted = [event.event_id for event in events if event.counts]
    repeated = [event.event_id for event in events if not event.counts]
    assert len(counted) == len(set(counted))
    assert 0 < len(repeated) < 100
    assert set(repeated) <= set(counted)
