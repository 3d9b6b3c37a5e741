"""Whatever stands in whatever field: a fact, or a refusal with a code and a path. Never anything else."""

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord
from pipeline.normalize.google_ads import normalize
from schemas.facts import Entity, ReportComplete, Snapshot
from schemas.measures import CONVERSIONS, REVENUE

WHOLE: dict[str, Any] = {
    "v": 1,
    "source": "google_ads",
    "kind": "row",
    "report": "ad_day",
    "api_version": "v26",
    "account_id": "1",
    "fetched_at_ms": 1_795_244_400_000,
    "run_id": "r",
    "since": "2026-11-17",
    "until": "2026-11-18",
    "rows": 3,
    "zone": "Europe/Berlin",
    "row": {
        "customer": {"id": "1", "timeZone": "Europe/Berlin", "currencyCode": "EUR"},
        "campaign": {
            "id": "7",
            "name": "n",
            "status": "ENABLED",
            "advertisingChannelType": "SEARCH",
            "startDateTime": "2026-01-01 00:00:00",
            "endDateTime": "2026-12-31 23:59:59",
        },
        "adGroup": {"id": "5"},
        "adGroupAd": {"ad": {"id": "6"}},
        "segments": {"date": "2026-11-18", "hour": 3},
        "metrics": {
            "impressions": "10",
            "clicks": "2",
            "costMicros": "3000000",
            "conversions": 1.5,
            "conversionsValue": 9.99,
            "videoTrueviewViews": "4",
        },
        "campaignBudget": {
            "id": "8",
            "amountMicros": "50000000",
            "totalAmountMicros": "0",
            "period": "DAILY",
            "explicitlyShared": False,
            "referenceCount": "1",
        },
    },
}


def paths(value: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = (
        [path for name, part in value.items() for path in paths(part, (*at, name))] if isinstance(value, dict) else []
    )
    return ([at] if at else []) + inner


# Texts that look like what the fields hold, so that checks behind the first are reached as well.
LIKELY = st.one_of(
    st.dates().map(str),
    st.datetimes().map(lambda at: at.isoformat(sep=" ")),
    st.integers().map(str),
    st.decimals().map(str),
    st.sampled_from(
        ["entity", "campaign_hour", "campaign_day", "vanished", "report_complete", "CUSTOM_PERIOD", "REMOVED"]
    ),
    st.sampled_from(
        ["Asia/Kathmandu", "Pacific/Apia", "Antarctica/Troll", "US", "posix/UTC", "2011-12-30", "2026-03-29"]
    ),
    st.text(alphabet="0123456789-:. TZW+eE_", max_size=24),
    st.sampled_from(["9" * 5000, "-" * 5000, "\0", "٣", "2026-11-18\n"]),
)
NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.integers(10**15, 10**60))
ANYTHING = st.one_of(
    LIKELY,
    NUMBERS,
    st.recursive(
        st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=20)),
        lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(st.text(max_size=8), part, max_size=3)),
        max_leaves=6,
    ),
)
GONE = object()
KINDS = st.sampled_from(["row", "vanished", "report_complete"])
REPORTS = st.sampled_from(["campaign_day", "campaign_hour", "ad_day", "entity"])


def changed(record: Any, path: tuple[str, ...], value: Any) -> Any:
    name, *rest = path
    if not isinstance(record, dict) or name not in record:
        return record
    if rest:
        return record | {name: changed(record[name], tuple(rest), value)}
    return {key: part for key, part in record.items() if key != name} if value is GONE else record | {name: value}


def judged(value: bytes) -> None:
    try:
        fact = normalize(value)
    except BadRecord as refused:
        assert refused.code in set(BadRecordCode)  # noqa: PT017 - either outcome is right
        assert refused.reason  # noqa: PT017
        return
    assert isinstance(fact, Snapshot | Entity | ReportComplete)
    if isinstance(fact, Snapshot):
        assert all(0 <= n < 2**63 for n in fact.measures)
        assert fact.start_ms < fact.end_ms
        assert not fact.settled or fact.is_final
    fact.__repr__().encode()


@given(
    KINDS, REPORTS, st.lists(st.tuples(st.sampled_from(paths(WHOLE)), st.one_of(st.just(GONE), ANYTHING)), max_size=3)
)
@settings(max_examples=1500, deadline=None)
def test_anything_in_any_field_gives_a_fact_or_a_refusal(
    kind: str, report: str, changes: list[tuple[tuple[str, ...], Any]]
) -> None:
    record: Any = WHOLE | {"kind": kind, "report": report}
    for path, value in changes:
        record = changed(record, path, value)
    judged(json.dumps(record).encode())


@given(st.binary(max_size=60), st.integers(0, 900), st.integers(0, 60))
@settings(max_examples=800, deadline=None)
def test_any_damage_to_the_bytes_gives_a_fact_or_a_refusal(noise: bytes, at: int, length: int) -> None:
    whole = json.dumps(WHOLE).encode()
    judged(whole[:at] + noise + whole[at + length :])


@given(st.integers(0, 10**30), st.integers(-40, 3))
@settings(max_examples=800, deadline=None)
def test_doubles_are_read_from_their_text_and_rounded_once(digits: int, exponent: int) -> None:
    text = f"{digits}e{exponent}"
    exact = Fraction(Decimal(text)) * 10**6
    assume(exact <= 10**18)
    value = json.dumps(WHOLE).encode().replace(b'"conversions": 1.5', f'"conversions": {text}'.encode())
    fact = normalize(value.replace(b'"conversionsValue": 9.99', f'"conversionsValue": {text}'.encode()))
    assert isinstance(fact, Snapshot)
    assert fact.measures[CONVERSIONS] == fact.measures[REVENUE] == round(exact)  # a Fraction rounds half to even
