"""Whatever stands in a raw record, it is a fact or a refusal with a code and a path, and never another error."""

import json
from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from pipeline.normalize.google_ads import normalize
from schemas.facts import Entity, ReportComplete, Snapshot
from schemas.measures import MEASURES

NOW_MS = 1_795_169_000_000
GOOD: dict[str, Any] = {
    "v": 1,
    "source": "google_ads",
    "kind": "row",
    "report": "campaign_day",
    "api_version": "v26",
    "account_id": "1234567890",
    "fetched_at_ms": NOW_MS,
    "run_id": "r1",
    "since": "2026-11-18",
    "until": "2026-11-20",
    "rows": 3,
    "row": {
        "customer": {"id": "1234567890", "timeZone": "Europe/Berlin", "currencyCode": "EUR"},
        "campaign": {
            "id": "7", "name": "n", "status": "ENABLED", "advertisingChannelType": "SEARCH",
            "startDateTime": "2026-11-01 00:00:00", "endDateTime": "2026-12-24 23:59:59",
        },
        "adGroup": {"id": "8"},
        "adGroupAd": {"ad": {"id": "9"}},
        "segments": {"date": "2026-11-18", "hour": 7},
        "metrics": {
            "impressions": "5", "clicks": "4", "costMicros": "3", "conversions": 2.5, "conversionsValue": 1.5,
            "videoTrueviewViews": "1",
        },
        "campaignBudget": {
            "id": "6", "amountMicros": "5", "totalAmountMicros": "0", "period": "DAILY", "explicitlyShared": False,
            "referenceCount": "1",
        },
    },
}  # fmt: skip


def paths(inside: dict[str, Any], before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, content in inside.items():
        found.append((*before, name))
        if isinstance(content, dict):
            found += paths(content, (*before, name))
    return found


PATHS = paths(GOOD)
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**30), 10**30),
    st.sampled_from([10**4000, NOW_MS, 2**53, 2**63, 2**64, -1, 0, 23, 24]),
    st.floats(),
    st.text(max_size=60),
    st.text("0123456789.eE+-_NaInfity", max_size=30),
    st.sampled_from(
        [
            "NaN",
            "sNaN",
            "-Infinity",
            "1e999999999",
            "1E-999999999999999999999",
            "9" * 5000,
            "٣",
            " 7",
            "7 ",
            "1_0",
            "--1",
        ]
    ),
    st.sampled_from(
        ["UTC", "Asia/Kolkata", "Pacific/Apia", "Antarctica/Troll", "right/UTC", "Europe", "\0", "x" * 300]
    ),
    st.sampled_from(
        ["2026-03-29", "2026-10-25", "2011-12-30", "9999-12-31", "0001-01-01", "2026-W47-3", "2026-11-18\n"]
    ),
    st.sampled_from(["row", "vanished", "report_complete", "campaign_day", "campaign_hour", "ad_day", "entity"]),
    st.dates().map(str),
    st.datetimes().map(str),
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))


def read(value: bytes) -> Snapshot | Entity | ReportComplete | BadRecord:
    try:
        return normalize(value)
    except BadRecord as refused:
        return refused


def check(value: bytes) -> Snapshot | Entity | ReportComplete | BadRecord:
    fact = read(value)
    if isinstance(fact, BadRecord):
        assert fact.code in set(BadRecordCode)
        assert fact.field or fact.code in {BadRecordCode.MALFORMED, BadRecordCode.OVERSIZED}
        assert fact.reason
    if isinstance(fact, Snapshot):
        assert len(fact.measures) == len(MEASURES)
        assert all(type(amount) is int and 0 <= amount < 2**63 for amount in fact.measures)
        assert fact.start_ms < fact.end_ms
        assert fact.campaign_key == f"google_ads:{fact.account_id}:{fact.campaign_id}"
    return fact


@settings(deadline=None)
@given(st.binary())
@example(b'{"row":' * 3000)
@example(b"[" * 100_000)
@example(b'{"v":' + b"9" * 5000 + b"}")
@example(b"\xff\xfe")
@example(json.dumps(GOOD).encode()[:-1] + b',"other":' + b"[" * 50_000 + b"]" * 50_000 + b"}")
def test_any_bytes_are_a_fact_or_a_refusal(value: bytes) -> None:
    check(value)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=600)
@given(
    st.sampled_from(["campaign_day", "campaign_hour", "ad_day", "entity"]),
    st.sampled_from(["row", "vanished", "report_complete"]),
    st.dictionaries(st.sampled_from(PATHS), JSON, min_size=1, max_size=3),
)
def test_anything_in_any_field_is_a_fact_or_a_refusal_that_names_a_field_that_was_changed(
    report: str, kind: str, changes: dict[tuple[str, ...], Any]
) -> None:
    record = deepcopy(GOOD) | {"report": report, "kind": kind}
    changed: set[str] = set()
    for path, content in changes.items():
        inside: Any = record
        for part in path[:-1]:
            inside = inside.get(part) if isinstance(inside, dict) else None
        if isinstance(inside, dict):
            inside[path[-1]] = content
            changed.add(".".join(path))
    result = check(json.dumps(record).encode())
    if isinstance(result, BadRecord) and result.field:
        related = changed | {"report", "kind"}
        named = any(result.field.startswith(path) or path.startswith(result.field) for path in related)
        # Two places that must agree: whichever was changed, one is named.
        agreeing = result.field in {
            "row.customer.id",
            "until",
            "row.segments.hour",
            "row.segments.date",
            "row.campaign.status",
        }
        assert named or agreeing


@settings(deadline=None)
@given(st.sampled_from(PATHS))
def test_a_field_that_is_missing_is_named_or_is_not_needed(path: tuple[str, ...]) -> None:
    record = deepcopy(GOOD)
    inside: Any = record
    for part in path[:-1]:
        inside = inside[part]
    del inside[path[-1]]
    result = check(json.dumps(record).encode())
    if isinstance(result, BadRecord):
        assert (result.code, result.field) == (BadRecordCode.MISSING_FIELD, ".".join(path))


@settings(deadline=None)
@given(st.binary(max_size=20), st.integers(0, 1200))
def test_a_good_record_with_bytes_thrown_in_is_a_fact_or_a_refusal(noise: bytes, place: int) -> None:
    value = json.dumps(GOOD).encode()
    check(value[:place] + noise + value[place:])


@given(st.decimals(min_value=0, max_value=10**9, places=6))
def test_a_double_of_six_places_is_kept_exactly(value: Any) -> None:
    record = json.dumps(GOOD).replace('"conversions": 2.5', f'"conversions": {value}')
    fact = normalize(record.encode())
    assert isinstance(fact, Snapshot)
    assert fact.measures[MEASURES.index("conversions_micros")] == int(value * 10**6)


@given(st.integers(0, 10**15))
def test_an_amount_is_kept_exactly_as_text_or_number(micros: int) -> None:
    for text in (f'"{micros}"', str(micros)):
        fact = normalize(json.dumps(GOOD).replace('"costMicros": "3"', f'"costMicros": {text}').encode())
        assert isinstance(fact, Snapshot)
        assert fact.measures[MEASURES.index("spend_micros")] == micros
