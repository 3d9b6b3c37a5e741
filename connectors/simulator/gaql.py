"""GAQL as far as reports need it: SELECT fields FROM resource WHERE conditions ORDER BY field LIMIT n PARAMETERS ...

Grammar: developers.google.com/google-ads/api/docs/query/grammar. Refuses with the API's own query errors.
"""

import re
from dataclasses import dataclass

from connectors.simulator.google_ads_refusal import query_error

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?)"""
    r"""|(?P<word>[A-Za-z_][A-Za-z0-9_.]*)|(?P<sign><=|>=|!=|=|<|>|\(|\)|,))"""
)
_CLAUSES = frozenset({"SELECT", "FROM", "WHERE", "ORDER", "LIMIT", "PARAMETERS"})


@dataclass(frozen=True, slots=True)
class Condition:
    """`operator` in upper case; `values` as written, unquoted: two for BETWEEN, any number for IN, one otherwise."""

    field: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    fields: tuple[str, ...]
    resource: str
    conditions: tuple[Condition, ...]
    order_by: tuple[tuple[str, bool], ...]  # (field, descending)
    limit: int | None


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str

    @property
    def keyword(self) -> str:
        return self.text.upper() if self.kind == "word" else ""


class _Reader:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def next(self) -> _Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else _Token("end", "")

    def take(self) -> _Token:
        token = self.next
        self._at += 1
        return token

    def skip(self, *keywords: str) -> bool:
        if self.next.keyword in keywords or (self.next.kind == "sign" and self.next.text in keywords):
            self._at += 1
            return True
        return False


def parse(text: str) -> Query:
    """Raises Refusal (queryError) as the API does."""
    reader = _Reader(_tokens(text))
    if not reader.skip("SELECT"):
        raise query_error("EXPECTED_SELECT", "Error in query: expected SELECT.")
    fields = _list(reader)
    if not reader.skip("FROM"):
        raise query_error("EXPECTED_FROM", "Error in query: expected FROM.")
    resource = reader.take()
    if resource.kind != "word":
        raise query_error("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", "Error in query: expected a resource after FROM.")
    conditions = _conditions(reader) if reader.skip("WHERE") else ()
    order_by = _order_by(reader) if reader.skip("ORDER") else ()
    limit = _limit(reader) if reader.skip("LIMIT") else None
    if reader.skip("PARAMETERS"):
        while reader.next.kind != "end":
            reader.take()
    if reader.next.kind != "end":
        raise query_error("UNEXPECTED_INPUT", f"Error in query: unexpected input {reader.next.text}.")
    return Query(fields, resource.text, conditions, order_by, limit)


def _tokens(text: str) -> list[_Token]:
    tokens = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise query_error("BAD_SYMBOL", f"Error in query: unexpected symbol {text[at:].strip()[:1]}.")
        kind = str(match.lastgroup)
        value = match.group(kind)
        tokens.append(_Token(kind, value[1:-1] if kind == "string" else value))
        at = match.end()
    return tokens


def _list(reader: _Reader) -> tuple[str, ...]:
    fields = []
    while True:
        token = reader.take()
        if token.kind != "word" or token.keyword in _CLAUSES:
            raise query_error("UNEXPECTED_INPUT", f"Error in query: expected a field, found {token.text or 'the end'}.")
        fields.append(token.text)
        if not reader.skip(","):
            return tuple(fields)


def _conditions(reader: _Reader) -> tuple[Condition, ...]:
    conditions = [_condition(reader)]
    while reader.skip("AND"):
        conditions.append(_condition(reader))
    if reader.next.kind != "end" and reader.next.keyword not in _CLAUSES:
        raise query_error("EXPECTED_AND", f"Error in query: expected AND, found {reader.next.text}.")
    return tuple(conditions)


def _condition(reader: _Reader) -> Condition:
    field = reader.take()
    if field.kind != "word":
        raise query_error("UNEXPECTED_INPUT", "Error in query: expected a field in WHERE.")
    operator = reader.take()
    name = operator.keyword or operator.text
    if name == "NOT":
        name = f"NOT {reader.take().keyword}"
    match name:
        case "BETWEEN":
            low = _value(reader)
            if not reader.skip("AND"):
                raise query_error("EXPECTED_VALUE_WITH_BETWEEN_OPERATOR", "Error in query: BETWEEN needs two values.")
            return Condition(field.text, name, (low, _value(reader)))
        case "IN" | "NOT IN":
            return Condition(field.text, name, _values(reader))
        case "=" | "!=" | "<" | "<=" | ">" | ">=" | "DURING":
            return Condition(field.text, name, (_value(reader),))
    raise query_error("BAD_OPERATOR", f"Error in query: the operator {operator.text} is not known.")


def _value(reader: _Reader) -> str:
    token = reader.take()
    if token.kind not in {"string", "number", "word"}:
        raise query_error("UNEXPECTED_INPUT", "Error in query: expected a value.")
    return token.text


def _values(reader: _Reader) -> tuple[str, ...]:
    if not reader.skip("("):
        raise query_error("EXPECTED_LIST", "Error in query: IN needs a list in parentheses.")
    values = [_value(reader)]
    while reader.skip(","):
        values.append(_value(reader))
    if not reader.skip(")"):
        raise query_error("EXPECTED_LIST", "Error in query: the list is not closed.")
    return tuple(values)


def _order_by(reader: _Reader) -> tuple[tuple[str, bool], ...]:
    if not reader.skip("BY"):
        raise query_error("EXPECTED_BY", "Error in query: expected BY after ORDER.")
    order = []
    while True:
        field = reader.take()
        descending = reader.skip("DESC")
        if not descending:
            reader.skip("ASC")
        order.append((field.text, descending))
        if not reader.skip(","):
            return tuple(order)


def _limit(reader: _Reader) -> int:
    token = reader.take()
    if token.kind != "number" or not token.text.isdigit() or int(token.text) < 1:
        raise query_error("BAD_LIMIT_VALUE", "Error in query: LIMIT needs a whole number above 0.")
    return int(token.text)
