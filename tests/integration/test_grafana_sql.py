"""Every query of every dashboard runs against the migrated engine, as Grafana would send it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.clickhouse.client import connected
from connectors.settings import Settings
from schemas.topics import ALERTS_BUDGET, DEAD_LETTERS, FEEDS, RAW_EVENTS, TOTALS
from tests.integration.clickhouse_rows import (
    DAY_MS,
    HOUR_MS,
    NOON_MS,
    Rec,
    alert,
    database,
    feed,
    letter,
    records,
    store,
    total,
)
from tests.integration.grafana_macros import ALL, expand

GRAFANA = Path(__file__).resolve().parents[2] / "infra" / "grafana"
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").glob("*.json"))}
PANELS = [
    pytest.param(board, panel, id=f"{name}: {panel['title']}")
    for name, board in BOARDS.items()
    for panel in board["panels"]
]
TIME_COLUMNS = ("DateTime", "Date")
EMPTY = {"Records missing between stored ranges"}
KEY = "google_ads:123:7"


@pytest.fixture(scope="module")
def settings(clickhouse_http: int) -> Iterator[Settings]:
    """Two days of one campaign, an ad and an alert, around NOON_MS."""
    with database(clickhouse_http, "grafana_sql") as made:
        today = NOON_MS - DAY_MS // 2
        figures = {"impressions": 100, "clicks": 9, "spend_micros": 5_000_000, "revenue_micros": 9_000_000}
        days = [total(start_ms=today - n * DAY_MS, daily_budget_micros=10_000_000, **figures) for n in (1, 0)]
        hours = [
            total(window="1h", start_ms=today + n * HOUR_MS, end_ms=today + (n + 1) * HOUR_MS, **figures)
            for n in range(5)
        ]
        ads = [total(level="ad", ad_group_id="5", ad_id="9", start_ms=today, **figures)]
        store(made, TOTALS, 0, records([*days, *hours, *ads]))
        store(made, ALERTS_BUDGET, 0, records([alert(campaign_key=KEY)]))
        store(made, RAW_EVENTS, 0, [Rec(0, NOON_MS, b"k", b"{}")])
        store(made, DEAD_LETTERS, 0, records([letter(RAW_EVENTS, 0)]))
        store(made, FEEDS, 0, records([feed()]))
        yield made


def variables(board: dict[str, Any], *, everything: bool) -> dict[str, list[str]]:
    chosen = {"platform": ["google_ads", "meta"], "severity": ["medium"], "campaign": [KEY]}
    found = {}
    for variable in board["templating"]["list"]:
        default = [variable["current"]["value"]] if variable["type"] == "custom" else chosen[variable["name"]]
        found[variable["name"]] = [ALL] if everything and variable["includeAll"] else default
    return found


def columns_of(settings: Settings, sql: str) -> tuple[list[str], list[str], int]:
    with connected(settings) as client:
        result = client.query(sql)
        return list(result.column_names), [kind.name for kind in result.column_types], result.row_count


@pytest.mark.parametrize("everything", [True, False], ids=["all", "chosen"])
@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_every_panel_runs_and_has_the_shape_its_kind_needs(
    settings: Settings, board: dict[str, Any], panel: dict[str, Any], *, everything: bool
) -> None:
    on_the_wall_clock = board["uid"] == "pulse-pipeline"
    from_s, to_s = (0, 2**31) if on_the_wall_clock else ((NOON_MS - 2 * DAY_MS) // 1000, (NOON_MS + DAY_MS) // 1000)
    for target in panel["targets"]:
        sql = expand(target["rawSql"], variables(board, everything=everything), from_s=from_s, to_s=to_s)
        names, types, count = columns_of(settings, sql)
        assert count > 0 or panel["title"] in EMPTY, "the panel shows nothing"
        assert (target["format"], target["queryType"]) in {(0, "timeseries"), (1, "table")}
        if target["queryType"] == "timeseries":
            assert names[0] == "time"
            assert types[0].startswith("DateTime")
            assert re.search(r"ORDER BY time$", sql)
            assert any(not kind.startswith((*TIME_COLUMNS, "String", "LowCard")) for kind in types[1:])


@pytest.mark.parametrize("name", BOARDS)
def test_variables_run_and_every_panel_that_shows_figures_says_which_basis(settings: Settings, name: str) -> None:
    board = BOARDS[name]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            assert columns_of(settings, variable["query"])[2] > 0, variable["name"]
    for panel in board["panels"]:
        sql = panel["targets"][0]["rawSql"]
        if re.search(r"\b(insights|creative_insights|daily_report|pacing|blended_roas|top_creatives)\b", sql):
            assert "basis = '${basis}'" in sql, panel["title"]


@pytest.mark.parametrize("name", BOARDS)
def test_dashboards_are_of_the_schema_grafana_migrates_and_use_our_source(name: str) -> None:
    board = BOARDS[name]
    source = yaml.safe_load((GRAFANA / "provisioning/datasources/clickhouse.yaml").read_text())["datasources"][0]
    assert board["schemaVersion"] == 42
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    used = {(panel["datasource"]["type"], panel["datasource"]["uid"]) for panel in board["panels"]}
    assert used == {(source["type"], source["uid"])}
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24


def test_panels_do_not_overlap() -> None:
    for name, board in BOARDS.items():
        cells: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            covered = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not covered & cells, (name, panel["title"])
            cells |= covered


def test_uids_are_unique_and_the_provider_reads_files() -> None:
    uids = [board["uid"] for board in BOARDS.values()]
    assert sorted(uids) == ["pulse-alerts", "pulse-campaign", "pulse-overview", "pulse-pipeline"]
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/pulse.yaml").read_text())["providers"][0]
    assert (provider["type"], set(provider["options"])) == ("file", {"path", "foldersFromFilesStructure"})


def test_the_expander_refuses_what_grafana_would_not_replace() -> None:
    with pytest.raises(ValueError, match="unknown macro"):
        expand("SELECT $__nothing(x)", {}, from_s=0, to_s=1)
