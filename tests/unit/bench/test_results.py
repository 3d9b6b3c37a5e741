"""Documents: only what stands between the markers changes."""

import json

import pytest

from tests.bench.comparison import as_text
from tests.bench.results import replaced

DOCUMENT = "# Title\n<!-- comparison: written by tests.bench.results -->\nold\n<!-- /comparison -->\nby hand\n"


def test_only_the_part_between_the_markers_is_replaced() -> None:
    once = replaced(DOCUMENT, "\nnew table\n", "X.md")
    assert "new table\n<!-- /comparison -->\nby hand\n" in once
    assert "old" not in once
    assert replaced(once, "new table", "X.md") == once


def test_a_document_without_markers_is_left_alone() -> None:
    with pytest.raises(SystemExit, match=r"X\.md has no"):
        replaced("# Title\n", "new", "X.md")


def test_an_artefact_with_a_line_per_run_is_the_same_json() -> None:
    found = {"measure": "comparison", "systems": [{"name": "µ"}], "runs": [{"n": 1}, {"n": 2}]}
    text = as_text(found)
    assert json.loads(text) == found
    assert '{"n": 1},\n' in text
