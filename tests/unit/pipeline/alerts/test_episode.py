"""Codes to episodes: an hour a letter, q quiet, h holding, n not enough data, u up, U up at once, L new level."""

import pytest

from pipeline.alerts.episode import NONE, Carry, Ending, Episode, Persistence, fold
from pipeline.alerts.rule import HOLDING, NEW_LEVEL, NOT_ENOUGH, QUIET, UP, UP_AT_ONCE

CODES = {"q": QUIET, "h": HOLDING, "n": NOT_ENOUGH, "u": UP, "U": UP_AT_ONCE, "L": NEW_LEVEL}
TWO = Persistence(for_windows=2, resolve_windows=2, stale_ms=5, sticky=False)


def run(
    letters: str, persistence: Persistence = TWO, *, carry: Carry | None = None, first: int = 0, **more: object
) -> list[Episode]:
    starts = range(first, first + len(letters))
    ends = [start + 1 for start in starts]
    return fold(carry or Carry(), [CODES[x] for x in letters], starts, ends, persistence, **more)[1]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("quq", []),
        ("quuq", [Episode(2, 2)]),
        ("quuqq", [Episode(2, 2, 4, Ending.CLEAR)]),
        ("qU", [Episode(1, 1)]),
        ("unu", [Episode(2, 2)]),
        ("uhu", []),
        ("uuqhq", [Episode(1, 1)]),
        ("uuqnq", [Episode(1, 1, 4, Ending.CLEAR)]),
        ("uuuL", [Episode(1, 2, 3, Ending.NEW_LEVEL)]),
        ("uunnnnnn", [Episode(1, 1, 1, Ending.STALE)]),
        ("uunnnn", [Episode(1, 1)]),
        ("uuqquu", [Episode(1, 1, 3, Ending.CLEAR), Episode(5, 5)]),
    ],
)
def test_episodes_of_a_sequence(letters: str, expected: list[Episode]) -> None:
    assert run(letters) == expected


def test_silence_until_now_ends_the_last_episode() -> None:
    assert run("uu", now_ms=7) == [Episode(1, 1)]
    assert run("uu", now_ms=8) == [Episode(1, 1, 1, Ending.STALE)]


def test_a_told_opening_holds_while_its_window_holds_if_the_rule_is_sticky() -> None:
    sticky = Persistence(2, 2, 5, sticky=True)
    assert run("qh", sticky, told={1}) == [Episode(1, 1)]
    assert run("qh", TWO, told={1}) == []
    assert run("qu", TWO, told={1}) == [Episode(1, 1)]


@pytest.mark.parametrize("cut", range(13))
def test_a_cut_with_a_carry_changes_nothing(cut: int) -> None:
    letters = "quuhqnquUqqLu"
    whole = [e for e in run(letters) if e.close_ms == NONE or e.close_ms >= cut]
    carry, _ = fold(Carry(), [CODES[x] for x in letters[:cut]], range(cut), range(1, cut + 1), TWO)
    assert run(letters[cut:], carry=Carry.restore(carry.dump()), first=cut) == whole
