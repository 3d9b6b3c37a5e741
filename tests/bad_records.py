"""Raw records that are wrong, each in one way, and the dead letter each must become."""

import json
from dataclasses import dataclass
from typing import Any

from tests.google_rows import ACCOUNT, GoogleRows
from tests.live import NOON_MS, PARTITIONS, event


def without(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def row(**changes: Any) -> dict[str, Any]:
    """A good report row of campaign 700001; dotted names change one field of it."""
    rows = GoogleRows(partitions=PARTITIONS)
    rows.day("700001", "2026-11-20", at_ms=NOON_MS, spend_micros=5_000_000)
    body: dict[str, Any] = json.loads(rows.messages[0].value or b"")
    for path, value in changes.items():
        *outer, last = path.split("__")
        inner: Any = body
        for name in outer:
            inner = inner[name]
        inner[last] = value
    return body


TEN_MB = 10_000_000


@dataclass(frozen=True)
class Bad:
    """A raw value and the letter it must become."""

    name: str
    value: bytes
    code: str
    field: str


def bad(name: str, value: Any, code: str, field: str) -> Bad:
    return Bad(name, value if isinstance(value, bytes) else json.dumps(value).encode(), code, field)


BAD_EVENTS = (
    bad("malformed", b'{"event_id":', "malformed", ""),
    bad("no object", b"[1, 2]", "malformed", ""),
    bad("mistyped", event("x", count="5"), "bad_type", "count"),
    bad("missing", without("platform", event("x")), "missing_field", "platform"),
    bad("oversized", event("x", note="x" * (1 << 20)), "oversized", ""),
    bad("10 MB", event("x", note="x" * TEN_MB), "oversized", ""),
    bad("8 MB of zeros", bytes(8 << 20), "oversized", ""),
    bad("NaN", event("x", spend_micros=float("nan")), "bad_value", "spend_micros"),
    bad("negative", event("x", spend_micros=-1), "bad_value", "spend_micros"),
    bad("long ago", event("x", at=1), "bad_time", "at"),
    bad("far ahead", event("x", at="2999-01-01T00:00:00Z"), "bad_time", "at"),
    bad("no date", event("x", at="2026-13-45T00:00:00Z"), "bad_time", "at"),
    bad("no zone", event("x", at="2026-11-20T12:00:00"), "bad_time", "at"),
    bad("no currency", event("x", currency="euro"), "bad_currency", "currency"),
    bad("other currency", event("x", currency="USD"), "bad_currency", "currency"),
    bad("another campaign's key", event("x", campaign_id="8"), "wrong_key", "campaign_id"),
)
BAD_ROWS = (
    bad("malformed", b"\xff\xfe{}", "malformed", ""),
    bad("no object", b"[1, 2]", "malformed", ""),
    bad("mistyped", row(row__metrics__clicks=5.5), "bad_type", "row.metrics.clicks"),
    bad("missing", row(row__customer={"id": ACCOUNT}), "missing_field", "row.customer.timeZone"),
    bad("oversized", row(row__note="x" * (1 << 20)), "oversized", ""),
    bad("10 MB", row(row__note="x" * TEN_MB), "oversized", ""),
    bad("8 MB of zeros", bytes(8 << 20), "oversized", ""),
    bad("NaN", row(row__metrics__conversions="NaN"), "bad_value", "row.metrics.conversions"),
    bad("negative", row(row__metrics__costMicros="-5"), "bad_value", "row.metrics.costMicros"),
    bad("long ago", row(row__segments__date="1970-01-01"), "bad_time", "row.segments.date"),
    bad("far ahead", row(row__segments__date="2999-01-01"), "bad_time", "row.segments.date"),
    bad("no date", row(row__segments__date="2026-13-45"), "bad_time", "row.segments.date"),
    bad("no currency", row(row__customer__currencyCode="euro"), "bad_currency", "row.customer.currencyCode"),
)
