"""Records to columns: places, days of the account, what is refused and why."""

import base64
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from pipeline.rows import MAX_INSTANT_MS, block_of, local_day
from schemas.tables import RAW_RECORDS, TABLES, TOTALS_HISTORY
from schemas.topics import ALERTS_ANOMALY, DEAD_LETTERS, FEEDS, RAW_EVENTS, TOTALS
from tests.integration.clickhouse_rows import HOUR_MS, NOON_MS, alert, feed, letter, total


@dataclass(frozen=True, slots=True)
class Rec:
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def recs(*values: Any, first: int = 0, key: bytes | None = b"k") -> list[Rec]:
    encoded = [value if isinstance(value, bytes | None) else orjson.dumps(value) for value in values]
    return [Rec(first + index, NOON_MS + index, key, value) for index, value in enumerate(encoded)]


def test_a_block_is_named_by_its_place_and_range() -> None:
    block = block_of(RAW_EVENTS, "id", 3, recs(b"{}", b"{}", first=41))
    assert block.token("raw_records") == "raw_records:raw.events.v1-3:41-42"
    assert (block.ledger["first_offset"], block.ledger["last_offset"], block.ledger["rows"]) == (41, 42, 2)
    assert block.newest_ms == NOON_MS + 1


def test_raw_values_are_kept_byte_for_byte_whatever_they_are() -> None:
    block = block_of(RAW_EVENTS, "id", 0, recs(b"\xff\x00", b"", b"not json"))
    assert block.tables["raw_records"]["value"] == [b"\xff\x00", b"", b"not json"]
    assert block.refused == []


def test_ticks_and_checkpoints_are_counted_and_not_stored() -> None:
    ticks = block_of(RAW_EVENTS, "id", 0, recs(None, None, key=None))
    assert (ticks.rows, ticks.ticks, ticks.tables) == (0, 2, {})
    checkpoint = block_of(TOTALS, "id", 0, recs({"checkpoint": "tick"}, key=None))
    assert (checkpoint.rows, checkpoint.ticks, checkpoint.tables) == (0, 1, {})


def test_a_complete_report_has_no_key_and_is_stored() -> None:
    block = block_of("raw.google_ads.v1", "id", 0, recs({"kind": "report_complete"}, key=None))
    assert block.tables["raw_records"]["key"] == [b""]


def test_a_tombstone_with_a_key_is_a_raw_record() -> None:
    assert block_of(RAW_EVENTS, "id", 0, recs(None)).tables["raw_records"]["value"] == [b""]


def test_totals_go_to_the_table_of_their_level_and_all_to_the_history() -> None:
    ad = total(level="ad", ad_group_id="5", ad_id="9")
    block = block_of(TOTALS, "id", 1, recs(total(), ad, first=7))
    assert block.tables["totals"]["totals_offset"] == [7]
    assert block.tables["creative_totals"]["totals_offset"] == [8]
    assert block.tables["creative_totals"]["totals_partition"] == [1]
    assert block.tables["totals_history"]["totals_offset"] == [7, 8]


def test_of_one_block_only_the_highest_version_of_a_total_is_stored_and_the_others_are_counted() -> None:
    versions = [total(version=8, clicks=2), total(version=12, clicks=3), total(version=4, clicks=1)]
    block = block_of(TOTALS, "id", 0, recs(*versions, total(campaign_id="8", version=4)))
    assert block.tables["totals"]["clicks"] == [3, 0]
    assert block.tables["totals_history"]["version"] == [12, 4]
    assert (block.ledger["rows"], block.ledger["skipped"], block.superseded) == (2, 2, 2)


def test_the_history_keeps_what_was_known_at_every_minute() -> None:
    known = [(0, 4), (59_999, 8), (60_000, 12), (120_000, 16), (179_999, 20)]
    block = block_of(TOTALS, "id", 0, recs(*(total(as_of_ms=NOON_MS + ms, version=version) for ms, version in known)))
    assert block.tables["totals_history"]["version"] == [8, 12, 20]
    assert block.tables["totals"]["version"] == [20]


def test_a_total_that_cannot_be_a_row_supersedes_nothing() -> None:
    block = block_of(TOTALS, "id", 0, recs(total(version=4), total(version=8) | {"clicks": "many"}))
    assert (block.tables["totals"]["version"], len(block.refused), block.superseded) == ([4], 1, 0)


def test_columns_come_in_the_order_of_the_table_and_are_of_one_length() -> None:
    block = block_of(TOTALS, "id", 0, recs(total(), total(campaign_id="8")))
    columns = block.tables["totals_history"]
    assert list(columns) == [column.name for column in TOTALS_HISTORY.inserted]
    assert {len(values) for values in columns.values()} == {2}


@pytest.mark.parametrize(
    ("zone", "at_ms", "day"),
    [
        ("UTC", 0, 0),
        ("UTC", 86_399_999, 0),
        ("UTC", 86_400_000, 1),
        ("Asia/Kolkata", 86_400_000 - HOUR_MS * 11 // 2, 1),  # midnight at 18:30 UTC
        ("America/New_York", 86_400_000, 0),
        ("Pacific/Kiritimati", 86_400_000 - 14 * HOUR_MS, 1),
    ],
)
def test_the_day_is_the_date_on_the_accounts_calendar(zone: str, at_ms: int, day: int) -> None:
    if zone == "Pacific/Kiritimati":  # joined UTC+14 in 1995
        at_ms, day = at_ms + 20_000 * 86_400_000, day + 20_000
    assert local_day(zone, at_ms // 900_000) == day


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"clicks": "many"}, "bad_type", "clicks"),
        ({"clicks": 2**63}, "bad_value", "clicks"),
        ({"clicks": 1.5}, "bad_type", "clicks"),
        ({"start_ms": -1}, "bad_value", "start_ms"),
        ({"end_ms": MAX_INSTANT_MS + 1}, "bad_value", "end_ms"),
        ({"version": -4}, "bad_value", "version"),
        ({"source_partition": 2**32}, "bad_value", "source_partition"),
        ({"zone": "Mars/Olympus"}, "bad_zone", "zone"),
        ({"zone": "../etc/passwd"}, "bad_zone", "zone"),
        ({"is_final": None}, "bad_type", "is_final"),
    ],
)
def test_a_total_no_column_can_hold_is_refused_with_its_field(change: dict[str, Any], code: str, field: str) -> None:
    around, bad = [total(campaign_id="1"), total(campaign_id="2")], total(campaign_id="3")
    block = block_of(TOTALS, "id", 0, recs(around[0], bad | change, around[1]))
    assert block.rows == 2
    ((record, error),) = block.refused
    assert (record.offset, error.code, error.field) == (1, code, field)


@pytest.mark.parametrize(
    ("value", "code"), [(b"{", "malformed"), (b"[]", "malformed"), (b"\xff", "malformed"), (None, "malformed")]
)
def test_what_is_no_object_is_refused(value: bytes | None, code: str) -> None:
    ((_, error),) = block_of(TOTALS, "id", 0, recs(value)).refused
    assert error.code == code


def test_a_missing_field_is_named() -> None:
    without = total()
    del without["total_id"]
    ((_, error),) = block_of(TOTALS, "id", 0, recs(without)).refused
    assert (error.code, error.field) == ("missing_field", "total_id")


def test_defaults_of_the_contract_hold_and_unknown_fields_are_ignored() -> None:
    message = total() | {"new_field": 1}
    del message["video_views"], message["budget_id"]
    columns = block_of(TOTALS, "id", 0, recs(message)).tables["totals"]
    assert (columns["video_views"], columns["budget_id"]) == ([0], [None])


def test_evidence_of_an_alert_becomes_columns() -> None:
    columns = block_of(ALERTS_ANOMALY, "id", 2, recs(alert(threshold=None))).tables["alert_history"]
    assert (columns["numerator"], columns["denominator"], columns["total_version"]) == ([91], [100], [9])
    assert (columns["threshold"], columns["as_of"], columns["alerts_topic"]) == ([None], [NOON_MS], [ALERTS_ANOMALY])


def test_a_dead_letter_is_stored_with_the_bytes_it_carries() -> None:
    columns = block_of(DEAD_LETTERS, "id", 0, recs(letter(RAW_EVENTS, 5))).tables["dead_letters"]
    assert (columns["value"], columns["key"], columns["offset"]) == ([b"\xff\x00"], [None], [5])
    spoilt = letter(RAW_EVENTS, 5, value="not base64!")
    ((_, error),) = block_of(DEAD_LETTERS, "id", 0, recs(spoilt)).refused
    assert (error.code, error.field) == ("bad_value", "value")
    assert base64.b64encode(b"\xff\x00").decode() == letter(RAW_EVENTS, 5)["value"]


def test_an_instant_that_is_not_known_is_null_and_not_1970() -> None:
    columns = block_of(FEEDS, "id", 0, recs(feed(last_ok_ms=None))).tables["feed_health"]
    assert (columns["last_ok"], columns["at"]) == ([None], [NOON_MS])


@pytest.mark.parametrize("timestamp", [-1, MAX_INSTANT_MS + 5, 2**62])
def test_a_record_timestamp_beyond_the_column_is_brought_to_its_edge(timestamp: int) -> None:
    block = block_of(RAW_EVENTS, "id", 0, [Rec(0, timestamp, b"k", b"{}")])
    assert block.tables["raw_records"]["timestamp"][0] in {0, MAX_INSTANT_MS}
    assert block.newest_ms in {0, MAX_INSTANT_MS}


def test_rows_skipped_and_refused_are_all_records_of_the_range() -> None:
    some = [total(version=version) for version in (4, 8, 12)]
    for values in ([*some, b"{", total()], some):
        records = [*recs(*values), Rec(len(values), NOON_MS, None, b"{}")]
        block = block_of(TOTALS, "id", 0, records)
        row = block.ledger
        assert row["rows"] + row["skipped"] + row["refused"] == row["last_offset"] - row["first_offset"] + 1


def test_tables_name_each_column_once() -> None:
    for table in TABLES:
        names = [column.name for column in table.columns]
        assert len(set(names)) == len(names), table.name
    assert not {column.name for column in RAW_RECORDS.inserted} & {"kind", "ingested_at"}
