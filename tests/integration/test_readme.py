"""What the README shows runs as it stands there."""

import re
from pathlib import Path

from connectors.clickhouse.client import connected, rows
from connectors.clickhouse.migrations import migrate
from connectors.settings import load_settings

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_first_query_runs_on_an_empty_database(clickhouse_http: int) -> None:
    settings = load_settings(environ={"PULSE_CLICKHOUSE__PORT": str(clickhouse_http)})
    migrate(settings)
    query = re.search(r"SELECT campaign_name.*?LIMIT 10", README, re.DOTALL)
    assert query is not None
    with connected(settings) as client:
        assert rows(client, query[0]) == []
        shown = re.search(r"Views: (.*?) for the figures", README, re.DOTALL)
        assert shown is not None
        named = set(re.findall(r"`(\w+)`", shown[1])) - {"reported", "counted"}
        known = {row["name"] for row in rows(client, "SELECT name FROM system.tables WHERE database = 'pulse'")}
    assert len(named) > 5
    assert named <= known


def test_the_consumer_of_ten_lines_is_python() -> None:
    snippet = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert snippet is not None
    compile(snippet[1], "README.md", "exec")
    assert len(snippet[1].splitlines()) <= 10
