"""How a row becomes events: for every field of an event a constant, a template or a column, as a file says it.

    format = "csv"                      # else by the file's name
    [[event]]                           # one for every event a row can yield
    when = { column = "click", equals = "1" }
    [event.fields]
    event_id = "{file}-{row}-click"     # or { hash = ["order", "time"] }: those cells and the row's number
    at = { column = "time", as = "unix_s" }
    revenue_micros = { column = "total", as = "decimal_micros" }
    type = { column = "kind", values = { v = "video_view", c = "click" } }

A template knows every column, `{file}` (the file's name without its endings) and `{row}` (from 0).
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from connectors.file_source.cells import READINGS, Reading, text_of
from connectors.file_source.rows import Format
from pipeline.codes import BadRecordCode, MisconfiguredCode
from pipeline.errors import BadRecord, Misconfigured
from pipeline.event_refusal import REQUIRED
from schemas.event import Event

FIELDS: tuple[str, ...] = tuple(Event.model_fields)
_OWN_NAMES = frozenset({"file", "row"})
_TEMPLATE = re.compile(r"\{([^{}]*)\}")
_READING_OF: dict[str, Reading] = {
    "at": "instant",
    "count": "integer",
    "spend_micros": "integer",
    "revenue_micros": "integer",
    "conversions_micros": "integer",
}


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ColumnSpec(_Strict):
    """`values` replaces what stands in the column; what is not in it is refused. `zone`: of instants without one."""

    column: str
    reading: Annotated[Reading | None, Field(alias="as")] = None
    values: Mapping[str, str | int] | None = None
    zone: str | None = None


class HashSpec(_Strict):
    hash: Annotated[tuple[str, ...], Field(min_length=1)]


class When(_Strict):
    """The row yields this event when the column is, or is not, that text."""

    column: str
    equals: str | None = None
    differs: str | None = None

    @model_validator(mode="after")
    def _one_test(self) -> "When":
        if (self.equals is None) == (self.differs is None):
            raise ValueError("say either equals or differs")
        return self


FieldSpec = int | str | ColumnSpec | HashSpec


class EventSpec(_Strict):
    when: When | None = None
    fields: Mapping[str, FieldSpec]

    @model_validator(mode="after")
    def _known_and_complete(self) -> "EventSpec":
        unknown = sorted(set(self.fields) - set(FIELDS))
        if unknown:
            raise ValueError(f"an event has no field {', '.join(unknown)}; it has {', '.join(FIELDS)}")
        missing = [name for name in REQUIRED if name not in self.fields]
        if missing:
            raise ValueError(f"an event needs {', '.join(missing)}")
        return self


class RowMapping(_Strict):
    format: Format | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    event: Annotated[tuple[EventSpec, ...], Field(min_length=1)]

    def with_constants(self, constants: Mapping[str, str]) -> "RowMapping":
        """The same with these fields fixed in every event. Raises Misconfigured for a field no event has."""
        typed = {
            name: int(text) if name in _READING_OF and text.isdecimal() else text for name, text in constants.items()
        }
        events = [{"when": one.when, "fields": {**one.fields, **typed}} for one in self.event]
        return _valid({"format": self.format, "delimiter": self.delimiter, "event": events}, "--set")

    def digest(self) -> str:
        """Of its content: another mapping reads the same file anew."""
        return hashlib.sha256(self.model_dump_json(by_alias=True).encode()).hexdigest()

    def columns(self) -> set[str]:
        """Every column it reads."""
        found: set[str] = set()
        for one in self.event:
            found |= {one.when.column} if one.when else set()
            for spec in one.fields.values():
                found |= _columns_of(spec)
        return found

    def check_columns(self, known: Mapping[str, Any], path: Path) -> None:
        """Raises Misconfigured when a CSV file does not have a column."""
        missing = sorted(self.columns() - set(known))
        if missing:
            raise Misconfigured(
                MisconfiguredCode.SETTING,
                f"{path} has no column {', '.join(missing)}, which the mapping reads; it has {', '.join(known)}.",
            )

    def events_of(self, columns: Mapping[str, Any], row: int, file: str) -> list[bytes]:
        """The JSON of every event the row yields, fields in the contract's order. Raises BadRecord with the field."""
        return [
            _event(one, columns, row, file, ordinal)
            for ordinal, one in enumerate(self.event)
            if one.when is None or _applies(one.when, columns)
        ]


def load_mapping(path: Path) -> RowMapping:
    """From a TOML or JSON file. Raises Misconfigured with what is wrong and where."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise Misconfigured(
            MisconfiguredCode.SETTING, f"The mapping {path} cannot be read as TOML or JSON: {error}."
        ) from None
    return _valid(content, str(path))


def _valid(content: Any, where: str) -> RowMapping:
    try:
        return RowMapping.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise Misconfigured(
            MisconfiguredCode.SETTING, f"The mapping {where} is wrong at {place}: {first['msg']}."
        ) from None


def _columns_of(spec: FieldSpec) -> set[str]:
    match spec:
        case ColumnSpec():
            return {spec.column}
        case HashSpec():
            return set(spec.hash)
        case str():
            return set(_TEMPLATE.findall(spec)) - _OWN_NAMES
        case _:
            return set()


def _cell(columns: Mapping[str, Any], name: str) -> Any:
    """`a.b` reaches into objects of NDJSON rows. None when it is not there, or empty."""
    if name in columns:
        found = columns[name]
    else:
        found = columns
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    return None if found == "" else found


def _applies(when: When, columns: Mapping[str, Any]) -> bool:
    found = _cell(columns, when.column)
    text = "" if found is None else text_of(found)
    return text == when.equals if when.equals is not None else text != when.differs


def _event(spec: EventSpec, columns: Mapping[str, Any], row: int, file: str, ordinal: int) -> bytes:
    body: dict[str, Any] = {}
    for name in FIELDS:
        if name in spec.fields:
            value = _value(name, spec.fields[name], columns, row, file, ordinal)
            if value is not None:
                body[name] = value
    try:
        return orjson.dumps(body)
    except TypeError as error:  # text that is no UTF-8, numbers beyond 64 bits
        raise BadRecord(BadRecordCode.MALFORMED, "", str(error)) from None


def _value(name: str, spec: FieldSpec, columns: Mapping[str, Any], row: int, file: str, ordinal: int) -> Any:
    if isinstance(spec, int):
        return spec
    if isinstance(spec, str):
        own = {"file": file, "row": row}
        return _TEMPLATE.sub(lambda found: text_of({**columns, **own}.get(found[1], "")), spec)
    if isinstance(spec, HashSpec):
        cells = [text_of(_cell(columns, column)) for column in spec.hash]
        named = orjson.dumps([file, row, ordinal, *cells], default=str)
        return hashlib.sha256(named).hexdigest()[:32]
    found = _cell(columns, spec.column)
    if found is None:
        return None
    if spec.values is not None:
        if text_of(found) not in spec.values:
            known = ", ".join(spec.values)
            raise BadRecord(BadRecordCode.BAD_VALUE, name, f"{spec.column} is {text_of(found)[:80]!r}, none of {known}")
        return spec.values[text_of(found)]
    reading = spec.reading or _READING_OF.get(name, "text")
    try:
        return READINGS[reading](found, spec.zone)
    except ValueError as error:
        code = BadRecordCode.BAD_TIME if name == "at" else BadRecordCode.BAD_TYPE
        raise BadRecord(code, name, f"{spec.column}: {error}") from None
