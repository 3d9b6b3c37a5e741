"""One read of a report: what goes out in which order, and when the cursor moves."""

import asyncio
import json

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from connectors.outgoing import ProducerLost
from pipeline.codes import BadRecordCode
from pipeline.errors import BadRecord, Transient
from schemas.raw import RawReportRow, Report
from tests.unit.connectors.source_parts import NOW_MS, PARTITIONS, TODAY, TOPIC, FakeSource, Now, Parts, Producer

YESTERDAY = "2026-11-20"
CURSOR = "google_ads|1|campaign_day"
DAY_MS = 86_400_000


async def test_rows_go_out_keyed_by_campaign_then_completion_to_every_partition() -> None:
    parts = Parts(FakeSource(rows=[[(TODAY, "a")], [(TODAY, "b"), (YESTERDAY, "a")]]))
    await parts.read()
    sent = [(key, partition, value) for topic, key, partition, value in parts.producer.log if topic == TOPIC]
    assert [key for key, _, _ in sent] == [b"google_ads:1:a", b"google_ads:1:b", b"google_ads:1:a", None, None]
    assert [partition for _, partition, _ in sent[3:]] == list(range(PARTITIONS))
    assert sent[0][2]["row"] == {"name": "a", "date": TODAY}
    complete = sent[-1][2]
    assert (complete["since"], complete["until"], complete["rows"]) == ("2026-11-14", TODAY, 3)
    for _, _, value in sent:
        RawReportRow.model_validate(value)
        assert value["fetched_at_ms"] == NOW_MS


async def test_completion_waits_for_the_acks_of_the_rows_and_the_cursor_for_all() -> None:
    parts = Parts(producer=Producer(hold=True))
    reading = asyncio.ensure_future(parts.read())
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(parts.producer.raw("row")) == 1
    assert not parts.producer.raw("report_complete")
    parts.producer.held.pop().set_result(None)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(parts.producer.raw("report_complete")) == PARTITIONS
    assert CURSOR not in parts.producer.cursors()
    for ack in parts.producer.held:
        ack.set_result(None)
    await reading
    assert parts.producer.cursors()[CURSOR] == {"read_ms": NOW_MS, "daily_ms": NOW_MS, "weekly_ms": NOW_MS}


async def test_a_read_that_fails_in_the_middle_moves_no_cursor_and_completes_nothing() -> None:
    errors: dict[tuple[str, str], list[Exception]] = {("1", "campaign_day/1"): [Transient("upstream_busy")]}
    parts = Parts(FakeSource(rows=[[(TODAY, "a")], [(TODAY, "b")]], errors=errors))
    with pytest.raises(Transient):
        await parts.read()
    assert CURSOR not in parts.producer.cursors()
    assert not parts.producer.raw("report_complete")


@pytest.mark.parametrize("broken", [Producer(fail=KafkaTimeoutError()), Producer(fail_ack=KafkaTimeoutError())])
async def test_a_broker_that_is_away_is_told_from_a_platform_that_is(broken: Producer) -> None:
    parts = Parts(producer=broken)
    with pytest.raises(ProducerLost):
        await parts.read()
    assert CURSOR not in parts.producer.cursors()


async def test_a_record_that_is_too_large_is_no_broker_that_is_away() -> None:
    with pytest.raises(MessageSizeTooLargeError):
        await Parts(producer=Producer(fail=MessageSizeTooLargeError())).read()


# -- rows that vanish ----------------------------------------------------------------------------------------


async def test_a_row_that_was_there_and_is_not_any_more_goes_out_as_vanished_once() -> None:
    parts = Parts(FakeSource(rows=[[(TODAY, "a"), (TODAY, "b"), (YESTERDAY, "b")]]))
    await parts.read()
    parts.source.rows = [[(TODAY, "a")]]
    await parts.read()
    gone = [(value["row"]["date"], value["row"]["name"]) for value in parts.producer.raw("vanished")]
    assert gone == [(YESTERDAY, "b"), (TODAY, "b")]
    await parts.read()
    assert len(parts.producer.raw("vanished")) == 2


async def test_a_row_outside_the_days_read_is_not_missed() -> None:
    parts = Parts(FakeSource(rows=[[("2026-11-15", "old"), (TODAY, "a")]]))
    await parts.read()
    parts.source.rows = [[(TODAY, "a")]]
    await parts.read()
    assert parts.source.asked[-1][2].isoformat() == YESTERDAY
    assert not parts.producer.raw("vanished")


async def test_a_row_that_was_sent_by_a_read_that_was_killed_is_missed_all_the_same() -> None:
    before = Parts(FakeSource(rows=[[(TODAY, "a"), (TODAY, "b")], []]))
    before.source.errors["1", "campaign_day/1"] = [asyncio.CancelledError()]  # type: ignore[list-item]
    with pytest.raises(asyncio.CancelledError):
        await before.read()
    restarted = Parts(FakeSource(rows=[[(TODAY, "a")]]), saved=dict(before.saved))
    await restarted.read()
    assert [value["row"]["name"] for value in restarted.producer.raw("vanished")] == ["b"]


async def test_names_are_saved_in_front_of_their_rows() -> None:
    parts = Parts()
    await parts.read()
    places = [(topic, (key or b"").decode()) for topic, key, _, _ in parts.producer.log]
    assert places.index(("cursors.v1", f"{CURSOR}|{TODAY}")) < places.index((TOPIC, "google_ads:1:a"))


async def test_nothing_vanishes_from_a_read_that_was_not_completed() -> None:
    parts = Parts(FakeSource(rows=[[(TODAY, "a"), (TODAY, "b")]]))
    await parts.read()
    parts.source.rows = [[(TODAY, "a")], []]
    parts.source.errors["1", "campaign_day/1"] = [Transient("upstream_busy")]
    with pytest.raises(Transient):
        await parts.read()
    assert not parts.producer.raw("vanished")


async def test_a_row_without_a_name_goes_out_and_is_never_missed() -> None:
    parts = Parts(FakeSource(rows=[[("", ""), (TODAY, "a")]]))
    await parts.read()
    parts.source.rows = [[(TODAY, "a")]]
    await parts.read()
    assert len(parts.producer.raw("row")) == 3
    assert not parts.producer.raw("vanished")


async def test_nothing_vanishes_from_a_read_with_a_row_that_cannot_be_told_by_name() -> None:
    parts = Parts(FakeSource(rows=[[(TODAY, "a"), (TODAY, "b"), (TODAY, "c")]]))
    await parts.read()
    parts.source.rows = [[(TODAY, "a"), ("", "")]]  # the row without a name may be that of b, or of c
    await parts.read()
    assert not parts.producer.raw("vanished")
    parts.source.rows = [[(TODAY, "a"), (TODAY, "b")]]
    await parts.read()
    assert [value["row"]["name"] for value in parts.producer.raw("vanished")] == ["c"]


async def test_entities_do_not_vanish_and_are_of_today() -> None:
    parts = Parts(FakeSource(rows=[[("", "")]]))
    await parts.read(Report.ENTITY)
    parts.source.rows = [[]]
    await parts.read(Report.ENTITY)
    assert not parts.producer.raw("vanished")
    assert {value["since"] for value in parts.producer.raw("report_complete")} == {TODAY}


async def test_names_of_days_that_no_run_reads_again_are_forgotten() -> None:
    parts = Parts()
    await parts.read()
    assert parts.saved[f"{CURSOR}|{TODAY}"] == ["a"]
    Now.at_ms += 33 * DAY_MS
    parts.source.rows = [[(TODAY, "a"), ("2026-12-24", "a")]]
    await parts.read()
    assert f"{CURSOR}|{TODAY}" in parts.saved  # the absence was read over once more
    Now.at_ms += DAY_MS
    parts.source.rows = [[("2026-12-24", "a")]]
    await parts.read()
    assert f"{CURSOR}|{TODAY}" not in parts.saved


# -- days ----------------------------------------------------------------------------------------------------


async def test_today_is_that_of_the_account() -> None:
    parts = Parts(FakeSource(zone="Pacific/Auckland"))
    Now.at_ms = NOW_MS  # 01:00 on the 22nd in Auckland
    await parts.read()
    assert parts.source.asked[0][3].isoformat() == "2026-11-22"


async def test_the_second_run_reads_yesterday_and_today_and_the_next_day_the_week() -> None:
    parts = Parts()
    for ahead_ms in (0, 900_000, DAY_MS):
        Now.at_ms = NOW_MS + ahead_ms
        await parts.read()
    assert [(until - since).days for _, _, since, until in parts.source.asked] == [7, 1, 7]


async def test_a_zone_nobody_knows_is_this_accounts_own_failure() -> None:
    with pytest.raises(BadRecord) as refused:
        await Parts(FakeSource(zone="Mars/Olympus")).read()
    assert refused.value.code == BadRecordCode.BAD_ZONE


async def test_the_envelope_holds_the_row_byte_for_byte() -> None:
    parts = Parts()
    sent: list[bytes] = []
    send = parts.producer.send

    async def keep(topic: str, value: bytes, *place: object, **more: object) -> "asyncio.Future[None]":
        sent.append(value)
        return await send(topic, value, *place, **more)  # type: ignore[arg-type]

    parts.producer.send = keep  # type: ignore[method-assign, assignment]
    await parts.read()
    [body] = [value for value in sent if b'"kind":"row"' in value]
    assert json.dumps({"name": "a", "date": TODAY}).encode() in body
