"""What the hot path encodes by hand is what the contracts say, field for field; old changelogs are read for ever."""

import base64
import json
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from pipeline.changelog import HEADER
from pipeline.codes import BadRecordCode
from pipeline.copies import SEPARATOR
from pipeline.dead_letters import cleared_letter, dead_letter
from pipeline.errors import BadRecord
from pipeline.reported_campaigns import campaign_message
from pipeline.total_codec import CheckpointOut, TotalOut, encode_checkpoint, encode_total
from schemas.campaign import Campaign, CampaignStatus
from schemas.dead_letter import DeadLetter
from schemas.facts import Entity
from schemas.measures import MEASURES
from schemas.topics import CAMPAIGNS, DEAD_LETTERS, TOTALS
from schemas.total import Checkpoint, Total
from tests.contract.generated import SCHEMAS
from tests.golden.wire.recording import KEPT, V1, Kept, followed, restored
from tests.partition import Rec

TOTAL = TotalOut(
    schema_version=1,
    total_id="google_ads:1:70|5|9|reported|1d|1795129200",
    campaign_key="google_ads:1:70",
    platform="google_ads",
    account_id="1",
    campaign_id="70",
    level="ad",
    ad_group_id="5",
    ad_id="9",
    basis="reported",
    window="1d",
    start_ms=1_795_129_200_000,
    end_ms=1_795_215_600_000,
    zone="Europe/Berlin",
    currency="EUR",
    **{name: number for number, name in enumerate(MEASURES, 1)},
    as_of_ms=1_795_136_400_000,
    revision=3,
    is_final=True,
    settled=False,
    version=2**53 - 1,
    source_topic="raw.google_ads.v1",
    source_partition=2,
    source_offset=4 * 10**12,
    campaign_name='Ünïcode \\ "and quotes"',
    campaign_status="active",
    daily_budget_micros=10_000_000,
    budget_id="b1",
    budget_shared=True,
)
CHECKPOINT = CheckpointOut(1, "tick", "raw.events.v1", 0, 5, 1, 1_795_136_400_000)
ENTITY = Entity(
    "google_ads", "1", "70", "Autumn", "SEARCH", "sales", CampaignStatus.PAUSED, "EUR", "Europe/Berlin",
    1_795_129_200_000, None, 10_000_000, None, "b1", True, 1_795_136_400_000,
)  # fmt: skip
LETTER = dead_letter(
    BadRecord(BadRecordCode.BAD_VALUE, "count", "-1 is not in 1 to 1000000000"),
    stage="aggregate",
    topic="raw.events.v1",
    partition=3,
    record=Rec(17, 1_795_136_400_000, b"email:acc:a", b"\xff\x00not text"),
)
KEYLESS = dead_letter(
    BadRecord(BadRecordCode.MALFORMED, "", "x" * 5_000),
    stage="sink",
    topic="totals.v1",
    partition=0,
    record=Rec(0, 0, None, None),
)
MESSAGES: list[Any] = [
    pytest.param(TOTALS, Total, encode_total(TOTAL), id="total"),
    pytest.param(TOTALS, Checkpoint, encode_checkpoint(CHECKPOINT), id="checkpoint"),
    pytest.param(DEAD_LETTERS, DeadLetter, LETTER, id="letter"),
    pytest.param(DEAD_LETTERS, DeadLetter, KEYLESS, id="letter of a record without bytes"),
    pytest.param(DEAD_LETTERS, DeadLetter, cleared_letter("raw.events.v1", 1, 9), id="cleared letter"),
    pytest.param(
        CAMPAIGNS, Campaign, campaign_message(ENTITY, "google_ads:1:70", "default", 44), id="campaign"
    ),
]  # fmt: skip


@pytest.mark.parametrize(("topic", "model", "message"), MESSAGES)
def test_the_bytes_are_what_model_and_committed_schema_say(topic: str, model: type[BaseModel], message: bytes) -> None:
    fields = json.loads(message)
    assert set(fields) == set(model.model_fields), "a field that one side does not have is lost on the way"
    assert json.loads(model.model_validate_json(message, strict=True).model_dump_json()) == fields
    Draft202012Validator(json.loads((SCHEMAS / f"{topic}.json").read_text())).validate(fields)


def test_fields_stand_in_the_order_of_the_model_because_they_are_filled_by_position() -> None:
    assert TotalOut.__struct_fields__ == tuple(Total.model_fields)
    assert CheckpointOut.__struct_fields__ == tuple(Checkpoint.model_fields)
    first = TotalOut.__struct_fields__.index(MEASURES[0])
    assert TotalOut.__struct_fields__[first : first + len(MEASURES)] == MEASURES


def test_a_letter_holds_the_record_byte_for_byte_and_a_detail_of_bounded_length() -> None:
    letter = DeadLetter.model_validate_json(LETTER)
    assert (base64.b64decode(letter.key or ""), base64.b64decode(letter.value or "")) == (
        b"email:acc:a",
        b"\xff\x00not text",
    )
    keyless = DeadLetter.model_validate_json(KEYLESS)
    assert (keyless.key, keyless.value, len(keyless.detail)) == (None, None, 500)


# -- changelogs of version 1 ------------------------------------------------------------------------------------

KINDS = {
    "counted": {b"\0campaign", b"\0expired", b"\0ids", HEADER, b"row"},
    "reported": {b"\0campaign", b"\0expired", b"\0read", HEADER, b"row"},
    "judge": {HEADER, b"row"},
}


def changelog(kept: Kept) -> list[tuple[bytes, bytes | None]]:
    pairs = json.loads(kept.path.read_text())["changelog"]
    return [(base64.b64decode(key), None if value is None else base64.b64decode(value)) for key, value in pairs]


def test_every_state_has_its_recorded_changelog() -> None:
    assert {path.stem for path in V1.glob("*.json")} == {kept.name for kept in KEPT} == set(KINDS)


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.name)
def test_the_recorded_changelog_has_every_kind_of_row_and_a_tombstone(kept: Kept) -> None:
    records = changelog(kept)
    kinds = {_kind(key) for key, value in records if value is not None}
    assert kinds == KINDS[kept.name]
    assert any(value is None for _, value in records)
    assert {key.rpartition(SEPARATOR)[2] for key, _ in records} == {b"0123456789ab", b"ba9876543210"}


def _kind(key: bytes) -> bytes:
    row = key.rpartition(SEPARATOR)[0]
    return row.partition(b"|")[0] if row.startswith(b"\0") else b"row"


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.name)
def test_a_state_restored_from_it_goes_on_as_it_did_then(kept: Kept) -> None:
    """Repeats change nothing, and what follows comes out as it did when the changelog was recorded.

    Fields that have been added since are let through; those of then keep their values.
    """
    then = json.loads(kept.path.read_text())["then"]
    now = followed(kept, restored(kept, changelog(kept)))
    assert [(topic, key) for topic, key, _ in now] == [(topic, key) for topic, key, _ in then]
    for (_, _, value), (_, _, expected) in zip(now, then, strict=True):
        assert {name: value.get(name) for name in expected} == expected


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.name)
def test_a_row_that_lost_a_field_is_not_read_in_silence(kept: Kept) -> None:
    """The files can fail: one field less in every row is noticed."""
    broken = [(key, _shortened(value) if _kind(key) == b"row" else value) for key, value in changelog(kept)]
    then = json.loads(kept.path.read_text())["then"]
    try:
        now = [list(output) for output in followed(kept, restored(kept, broken))]
    except (IndexError, ValueError, TypeError):
        return
    assert now != then


def _shortened(value: bytes | None) -> bytes | None:
    """Without its second field."""
    if value is None:
        return None
    row = msgspec.msgpack.decode(value)
    return msgspec.msgpack.encode([row[0], *row[2:]])
