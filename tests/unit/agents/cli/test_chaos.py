"""`pulse chaos`: what it lists, and what it says where it cannot run."""

import json
from pathlib import Path

import pytest

from agents.cli import chaos
from agents.cli.main import MISCONFIGURED, USAGE, run
from tests.chaos.registry import SCENARIOS

PLAN = {"per_s", "seconds", "times", "pause_s"}


def test_the_list_has_every_scenario_with_both_forms(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chaos", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["scenarios"]
    assert [each["code"] for each in listed] == [each.code for each in SCENARIOS]
    assert all(set(each["short"]) == set(each["full"]) == PLAN for each in listed)


def test_the_list_is_a_table_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chaos", "list"]) == 0
    said = capsys.readouterr().out
    assert all(f" {each.code} " in said for each in SCENARIOS)


def test_an_unknown_code_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["chaos", "run", "F99"]) == USAGE
    assert "F99" in capsys.readouterr().err


def test_without_a_checkout_a_sentence_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chaos, "CHECKOUT", tmp_path)
    assert run(["chaos", "list"]) == MISCONFIGURED
    assert "from a checkout" in capsys.readouterr().err


def test_codes_are_given_once_and_in_order() -> None:
    numbers = [int(each.code.removeprefix("F")) for each in SCENARIOS]
    assert numbers == sorted(set(numbers))


def test_the_full_form_is_never_shorter() -> None:
    for each in SCENARIOS:
        assert each.full.seconds >= each.short.seconds, each.code
        assert each.full.events > each.short.events, each.code
