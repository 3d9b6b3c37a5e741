"""Files that are made from the code: `make schemas` (this module as a program) writes them, a test compares them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from connectors.settings import KAFKA_VARIABLE, setting_fields, variable_of
from schemas.published import published_schemas

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "schemas" / "json"
CONFIGURATION = ROOT / "infra" / "CONFIGURATION.md"


def generated() -> dict[Path, str]:
    """Path -> the text that belongs there."""
    schemas = {
        SCHEMAS / f"{topic}.json": json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for topic, schema in published_schemas().items()
    }
    return {**schemas, CONFIGURATION: "\n".join(_configuration()) + "\n"}


def _configuration() -> Iterator[str]:
    yield from (
        "# Settings",
        "",
        "Made from the code by `make schemas`. A setting comes from its environment variable, else from one TOML file",
        "(`pulse --config FILE`, else `PULSE_CONFIG`, else `pulse.toml` in the working directory), else it has its",
        "default. An unknown name is refused with the nearest one, a wrong value with what is expected (exit 78).",
        f"`{KAFKA_VARIABLE}` stands for `{variable_of('kafka.bootstrap_servers')}`. In the environment a list is",
        "written `a,b` and a table `key=value,key=value`. `PULSE_CLOCK` (`anchor_real_ms,anchor_ms,speed`) is handed",
        "from `pulse up` to the processes it starts. `pulse doctor` checks everything and changes nothing.",
    )
    section = None
    for name, info in sorted(setting_fields().items(), key=lambda item: ("." in item[0], item[0].partition(".")[0])):
        head, dot, key = name.partition(".")
        if section != (head if dot else ""):
            section = head if dot else ""
            yield from ("", f"## [{section}]" if section else "## Top level", "")
            yield from ("| key | variable | default | takes | |", "|---|---|---|---|---|")
        yield f"| `{key or name}` | `{variable_of(name)}` | {_default(info)} | {_takes(info)} | {info.description} |"


def _default(info: FieldInfo) -> str:
    value = info.get_default()
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value in (None, "", (), {}):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _takes(info: FieldInfo) -> str:
    extra = info.json_schema_extra
    if isinstance(extra, dict) and "expected" in extra:
        return str(extra["expected"])
    words = str(info.annotation)
    for known, said in _KINDS:
        if known in words:
            kind = said or " or ".join(f"`{choice}`" for choice in _choices(info.annotation))
            return f"{kind}{_bounds(info)}"
    raise LookupError(f"say in _KINDS how {words} is written")


_KINDS = (
    ("Literal", ""),
    ("SecretStr", "text, secret"),
    ("Path", "a path"),
    ("bool", "true or false"),
    ("int", "a whole number"),
    ("float", "a number"),
    ("tuple", "a list"),
    ("Mapping", "a table"),
    ("str", "text"),
)


def _choices(annotation: object) -> Iterator[str]:
    for choice in get_args(annotation):
        if isinstance(choice, str):
            yield choice
        else:
            yield from _choices(choice)


def _bounds(info: FieldInfo) -> str:
    words = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
    found = {name: getattr(limit, name) for limit in info.metadata for name in words if hasattr(limit, name)}
    return "".join(f" {words[name]} {found[name]}" for name in words if name in found)


def main() -> None:
    SCHEMAS.mkdir(exist_ok=True)
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
    for path in set(SCHEMAS.glob("*.json")) - generated().keys():
        path.unlink()
        print(f"{path.relative_to(ROOT)} removed: no such topic is published")


if __name__ == "__main__":
    main()
