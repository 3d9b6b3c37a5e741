"""What a person is told about a wrong configuration: which key, what is expected, what was found, secrets masked."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence

from pydantic import SecretStr
from pydantic_core import ErrorDetails

from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured

Origin = Callable[[str], str]
SECRET_WORDS = ("password", "secret", "token", "authorization", "credential", "api_key")
MASK = "***"
SHOWN_CHARS = 80


def is_secret(name: str) -> bool:
    """Whether a value of that name must not be shown. `token_url` is an address, not a token."""
    lowered = name.lower()
    return not lowered.endswith("_url") and any(word in lowered for word in SECRET_WORDS)


def nearest(name: str, known: Sequence[str]) -> str | None:
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return found[0] if found else None


def unknown_variable(name: str, known: Sequence[str]) -> str:
    near = nearest(name, known)
    hint = f"did you mean {near}?" if near else "see infra/CONFIGURATION.md for all of them."
    return f"The environment variable {name} is not a setting; {hint}"


def refusal(errors: Sequence[ErrorDetails], known: Mapping[str, str], origin: Origin) -> Misconfigured:
    """One sentence per wrong key. `known`: every key, with the form of its value where a pattern says it badly."""
    return Misconfigured(MisconfiguredCode.SETTING, " ".join(_sentence(error, known, origin) for error in errors))


def _sentence(error: ErrorDetails, known: Mapping[str, str], origin: Origin) -> str:
    path = [str(part) for part in error["loc"]]
    name = next((".".join(path[:n]) for n in (2, 1) if ".".join(path[:n]) in known), ".".join(path))
    if error["type"] == "extra_forbidden":
        near = nearest(name, [*known, *{key.partition(".")[0]: "" for key in known}]) or _same_last_part(name, known)
        return f"{origin(name)} is not a setting; " + (
            f"did you mean {near}?" if near else "see infra/CONFIGURATION.md for all of them."
        )
    found = MASK if is_secret(name) else _shown(error.get("input"))
    return f"{origin(name)}: expected {known.get(name) or _expected(error)}, found {found}."


def _same_last_part(name: str, known: Iterable[str]) -> str | None:
    """A key written in the wrong section: `port` or `kafka.database`."""
    last = name.rpartition(".")[2]
    return next((key for key in known if key.rpartition(".")[2] == last), None)


_FORMS = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number from {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number up to {le}",
    "literal_error": "one of {expected}",
    "value_error": "another form: {error}",
}


def _expected(error: ErrorDetails) -> str:
    form = _FORMS.get(error["type"])
    if form is not None:
        return form.format(**error.get("ctx", {}))
    return error["msg"].removeprefix("Input should be ").lower()


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, Mapping):
        return "a table"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "..."
