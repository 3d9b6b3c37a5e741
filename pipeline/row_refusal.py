"""What a decoder said about a record that cannot be a row, as a code and the field."""

import re

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord

_PATH = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"Object missing required field `(\w+)`")


def row_refusal(text: str) -> BadRecord:
    """`text`: of a msgspec.ValidationError."""
    path = _PATH.search(text)
    where = path[1] if path else ""
    missing = _MISSING.search(text)
    if missing:
        return BadRecord(BadRecordCode.MISSING_FIELD, f"{where}.{missing[1]}".lstrip("."), text)
    if re.search(r"Expected `[^`]+`, got `", text):
        return BadRecord(BadRecordCode.BAD_TYPE if where else BadRecordCode.MALFORMED, where, text)
    return BadRecord(BadRecordCode.BAD_VALUE, where, text)
