"""How long events took is told of those that say where they stand."""

from pathlib import Path

import orjson

from tests.chaos.latency import latency
from tests.chaos.ledger import UNTOLD, Ledger, LedgerEvent
from tests.chaos.topic_reading import Record

CAMPAIGN = "meta:1:7"


def total(source_offset: int, at_ms: int) -> Record:
    value = orjson.dumps({"campaign_key": CAMPAIGN, "source_offset": source_offset})
    return Record(0, at_ms, b"meta:1:7|||counted|1d|0", value)


def test_an_event_without_a_place_is_passed_over_and_the_others_are_timed(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    for number, offset in enumerate((0, UNTOLD, 2, 3)):
        ledger.add(LedgerEvent(f"e{number}", CAMPAIGN, 0, 0, b"{}"), partition=0, offset=offset, sent_ms=100)
    found = latency(ledger, [total(0, 110), total(2, 140)], sent=4)
    assert (found.probes, found.unseen, found.max_ms) == (3, 1, 40)
