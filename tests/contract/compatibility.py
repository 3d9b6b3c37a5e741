"""Whether a published schema may replace an older one without breaking whoever reads or writes by the older.

A shape may grow by an optional field. Everything else about what is published stays: a reader of today must be able
to validate tomorrow's messages, and a writer of today must still be accepted.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
PROSE = frozenset({"title", "description", "examples", "$schema", "$id", "$defs"})


def breakages(old: Schema, new: Schema) -> list[str]:
    """One sentence for each way `new` breaks a user of `old`; empty when none."""
    return list(_node(old, new, old, new, "$"))


def _resolved(node: Schema, root: Schema) -> Schema:
    while "$ref" in node:
        target: Any = root
        for part in str(node["$ref"]).removeprefix("#/").split("/"):
            target = target[part]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def _node(old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str) -> Iterator[str]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    for key in sorted((old.keys() | new.keys()) - PROSE):
        before, after = old.get(key), new.get(key)
        if key == "properties":
            yield from _properties(before or {}, after or {}, old_root, new_root, path)
        elif key == "required":
            yield from _required(set(before or ()), set(after or ()), path)
        elif key in {"anyOf", "oneOf", "allOf"}:
            if len(before or ()) != len(after or ()):
                yield f"{path}: {key} had {len(before or ())} shapes, has {len(after or ())}"
            for number, (one, other) in enumerate(zip(before or (), after or (), strict=False)):
                yield from _node(one, other, old_root, new_root, f"{path}<{number}>")
        elif key == "items" and isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _node(before, after, old_root, new_root, f"{path}[]")
        elif before != after or type(before) is not type(after):
            yield f"{path}: {key} was {before!r}, is {after!r}"


def _properties(old: Schema, new: Schema, old_root: Schema, new_root: Schema, path: str) -> Iterator[str]:
    for name in sorted(old):
        if name not in new:
            yield f"{path}.{name}: removed"
        else:
            yield from _node(old[name], new[name], old_root, new_root, f"{path}.{name}")


def _required(old: set[str], new: set[str], path: str) -> Iterator[str]:
    for name in sorted(new - old):
        yield f"{path}.{name}: newly required, which today's writers do not send"
    for name in sorted(old - new):
        yield f"{path}.{name}: no longer promised, which today's readers rely on"
