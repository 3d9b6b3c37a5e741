"""What C lays out is what Python makes of the same records, table for table and letter for letter.

Where no C compiler was there both are Python, and this says nothing.
"""

import json
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.clickhouse.blocks import prepare, whole
from pipeline.per_record import BUILT
from pipeline.row_layouts import laid_out, reads
from pipeline.rows import MAX_INSTANT_MS, Block
from schemas.tables import SINK_TOPICS
from schemas.topics import CAMPAIGNS, EVENTS_CAMPAIGN, FEEDS, RAW_EVENTS, RAW_GOOGLE_ADS, TOTALS
from tests.integration.clickhouse_rows import NOON_MS, feed, total
from tests.property.test_native import damaged
from tests.property.test_wire_records import batch_of, built
from tests.wire_reading import WireRecords

LAID_OUT = {RAW_EVENTS, RAW_GOOGLE_ADS, TOTALS, CAMPAIGNS, FEEDS, EVENTS_CAMPAIGN}

_odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.sampled_from([0, -1, 2**32, 2**63 - 1, 2**63, -(2**63), 10**17, 10**18, MAX_INSTANT_MS, MAX_INSTANT_MS + 1]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
)
_text = st.one_of(
    st.text(max_size=20), st.sampled_from(["", 'say "hi"', "a\\b", "Frühling 🌸", "\x7f", "\t", "x" * 300])
)
_same: dict[str, st.SearchStrategy[Any]] = {
    "campaign_id": st.sampled_from(["1", "2", "3"]),
    "level": st.sampled_from(["campaign", "ad", "other"]),
    "as_of_ms": st.integers(NOON_MS - 90_000, NOON_MS + 90_000),
    "version": st.integers(0, 12),
    "zone": st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York"]),
    "start_ms": st.one_of(st.just(NOON_MS), st.integers(0, 4 * 10**12)),
    "campaign_name": _text,
    "daily_budget_micros": st.one_of(st.none(), st.integers(-5, 5)),
    "budget_id": st.one_of(st.none(), _text),
    "budget_shared": st.booleans(),
    "clicks": st.integers(-(10**18), 10**18),
}
_wrong: dict[str, st.SearchStrategy[Any]] = {
    "zone": st.sampled_from(["Mars/Olympus", "", "../etc/passwd", "z" * 70]),
    "start_ms": st.integers(0, MAX_INSTANT_MS),
    "clicks": st.integers(-(10**19), 10**19),
}


def encoded(draw: st.DrawFn, body: Any) -> bytes:
    text = json.dumps(
        body,
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(",", ":"), (",", ":"), (", ", ": "), (" ,\n", "\t: ")])),
    )
    return text.encode("utf-8", "surrogatepass")


@st.composite
def values(draw: st.DrawFn, plain: dict[str, Any], *, good: bool) -> bytes:
    """The JSON of a message; where not all are `good` one in four has odd, missing, doubled or unknown fields."""
    body = {**plain, **{name: draw(_same[name]) for name in draw(st.lists(st.sampled_from(sorted(_same)), max_size=4))}}
    if "total_id" in body:
        body["total_id"] = f"x|{body['campaign_id']}"
    if good or draw(st.integers(0, 3)):
        return encoded(draw, body)
    for name in draw(st.lists(st.sampled_from(sorted(body)), max_size=2)):
        body[name] = draw(_wrong.get(name, _odd))
    for name in draw(st.lists(st.sampled_from(sorted(body)), max_size=1, unique=True)):
        body.pop(name)
    if draw(st.booleans()):
        body["new_field"] = draw(_odd)
    value = encoded(draw, {name: body[name] for name in draw(st.permutations(sorted(body)))})
    if draw(st.integers(0, 3)) == 0:
        value = value[:-1] + b',"clicks":7}'  # doubled
    return draw(damaged(value)) if draw(st.integers(0, 2)) == 0 else value


_times = st.one_of(st.integers(-2_000, 2_000), st.sampled_from([-NOON_MS - 5, 2**53]))
_keys = st.one_of(st.none(), st.just(b"k"), st.binary(max_size=9))


def batches(value: st.SearchStrategy[bytes], *, tombstones: bool = True) -> st.SearchStrategy[list[list[Any]]]:
    any_value = st.one_of(value, value, value, st.none()) if tombstones else value
    record: st.SearchStrategy[Any] = st.tuples(_times, _keys, any_value, st.just([]))
    return st.lists(st.lists(record, min_size=1, max_size=6), min_size=1, max_size=3)


def messages(plain: dict[str, Any]) -> st.SearchStrategy[list[list[Any]]]:
    return st.one_of(batches(values(plain, good=True), tombstones=False), batches(values(plain, good=False)))


def as_told(block: Block) -> Any:
    refused = [(record.offset, record.value, error.code, error.field, str(error)) for record, error in block.refused]
    return block.ledger, block.ticks, block.superseded, refused


def compare(topic: str, batches: list[list[Any]]) -> None:
    first, wholes = 0, []
    for records in batches:
        wholes.append(built(first, records))
        first += len(records)
    objects = [record for data in wholes for record in DefaultRecordBatch(data)]
    block, tables = prepare(topic, "an id", 2, objects)
    laid, same = prepare(topic, "an id", 2, WireRecords([batch_of(data) for data in wholes]))
    assert as_told(laid) == as_told(block)
    assert [table.name for table, _ in same] == [table.name for table, _ in tables]
    for (table, left), (_, right) in zip(tables, same, strict=True):
        right.validate(full=True)
        assert right.schema == left.schema
        assert right.equals(left)
        assert whole(table, [right]).data == whole(table, [left]).data


@settings(deadline=None)
@given(messages(total()))
@example([[(0, b"k", json.dumps(total(version=number)).encode(), []) for number in (4, 12, 8, 12)]])
def test_totals_are_laid_out_as_python_makes_their_columns(batches: list[list[Any]]) -> None:
    compare(TOTALS, batches)


@settings(deadline=None)
@given(batches(st.binary(max_size=30)), st.sampled_from([RAW_EVENTS, RAW_GOOGLE_ADS]))
def test_raw_records_are_laid_out_byte_for_byte(batches: list[list[Any]], topic: str) -> None:
    compare(topic, batches)


@settings(deadline=None)
@given(messages(feed()))
def test_feeds_are_laid_out_with_instants_that_may_be_unknown(batches: list[list[Any]]) -> None:
    compare(FEEDS, batches)


@pytest.mark.parametrize("topic", SINK_TOPICS)
def test_what_is_laid_out_in_c_is_what_is_flat(topic: str) -> None:
    assert reads(topic) == (BUILT and topic in LAID_OUT)


def test_plain_totals_are_not_left_to_python() -> None:
    plain = [
        total(),
        total(campaign_name='Frühling "26" \\ 🌸', daily_budget_micros=5, budget_id="b"),
        total(clicks=-3),
    ]
    records: list[Any] = [(0, b"k", json.dumps(body, ensure_ascii=False).encode(), []) for body in plain]
    laid = laid_out(TOTALS, "an id", 2, WireRecords([batch_of(built(0, records))]))
    assert (laid is not None) == BUILT
