"""What stands on a topic twice is told from what stands there once, wherever the broker says it is."""

from pathlib import Path

from tests.chaos.copies import Places
from tests.chaos.ledger import UNTOLD, Ledger, LedgerEvent, digest_of

EVENT = LedgerEvent("e1", "meta:1:7", 5, 6, b"{}")
DIGEST = digest_of(b"{}")


def places(tmp_path: Path, *offsets: int) -> Places:
    ledger = Ledger(tmp_path / "ledger")
    for offset in offsets:
        ledger.add(EVENT, partition=0, offset=offset, sent_ms=0)
    return Places(ledger)


def asked(known: Places, *offsets: int, digest: int = DIGEST) -> list[bool]:
    return [known.is_copy(EVENT.topic, 0, offset, digest) for offset in offsets]


def test_what_stands_where_the_ledger_has_it_is_no_copy(tmp_path: Path) -> None:
    assert asked(places(tmp_path, 3), 3, 4) == [False, True]


def test_what_does_not_say_where_it_stands_is_no_copy_once(tmp_path: Path) -> None:
    assert asked(places(tmp_path, UNTOLD, 3), 2, 3, 4) == [False, False, True]


def test_what_nobody_has_sent_is_left_to_the_oracle(tmp_path: Path) -> None:
    assert asked(places(tmp_path, 3), 4, digest=1) == [False]
