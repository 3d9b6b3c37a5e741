"""What Grafana and its ClickHouse plugin (4.20) do to a query before it is sent: variables, then macros."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

ALL = "$__all"
Values = Mapping[str, list[str]]  # variable -> chosen values; [ALL] for all


def expand(sql: str, variables: Values, *, from_s: int, to_s: int, interval_s: int = 60) -> str:
    """Raises ValueError when something is left that Grafana would have replaced."""
    sql = _conditional(sql, variables)
    for name, values in variables.items():
        quoted = ",".join("'" + value.replace("'", "''") + "'" for value in values)
        sql = sql.replace(f"${{{name}:sqlstring}}", quoted)
        sql = sql.replace(f"${{{name}}}", ",".join(values))
    day = {key: datetime.fromtimestamp(at, UTC).date() for key, at in (("from", from_s), ("to", to_s))}
    column = r"\(([^()]+)\)"
    for pattern, replacement in (
        (r"\$__timeFilter" + column, rf"\1 >= toDateTime({from_s}) AND \1 <= toDateTime({to_s})"),
        (r"\$__dateFilter" + column, rf"\1 >= toDate('{day['from']}') AND \1 <= toDate('{day['to']}')"),
        (r"\$__timeInterval" + column, rf"toStartOfInterval(toDateTime(\1), INTERVAL {interval_s} second)"),
    ):
        sql = re.sub(pattern, replacement, sql)
    if "$" in sql:
        raise ValueError(f"unknown macro or variable: {sql[sql.index('$') :][:40]}")
    return sql


def _conditional(sql: str, variables: Values) -> str:
    """`$__conditionalAll(condition, $variable)`: the condition, or 1=1 when everything is chosen."""
    name = "$__conditionalAll("
    while name in sql:
        start = sql.index(name)
        end, depth = start + len(name), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(sql[end], 0)
            end += 1
        condition, _, variable = sql[start + len(name) : end - 1].rpartition(",")
        chosen = variables[variable.strip().removeprefix("$")]
        sql = sql[:start] + ("1=1" if chosen in ([ALL], [""]) else condition) + sql[end:]
    return sql
