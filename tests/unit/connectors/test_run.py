"""The loop over accounts: what is tried again, who rests, what the feeds and the health say."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError

from connectors import run, telemetry
from connectors.outgoing import ProducerLost
from pipeline.errors import BadRecord, Misconfigured, Transient
from schemas.raw import Report
from tests.unit.connectors.source_parts import NOW_MS, FakeSource, Now, Parts, Producer

DAY, AD = "campaign_day", "ad_day"
HOUR_MS = 3_600_000
BUSY, REVOKED = Transient("upstream_busy", "HTTP 503"), Misconfigured("credential", "authorise again")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Back-off without the waiting."""
    monkeypatch.setattr("connectors.retry._JITTER", lambda _: 0.0)
    telemetry.health.clear()
    yield
    telemetry.health.clear()


def failing(*places: tuple[str, str], error: Exception, times: int = 100) -> dict[tuple[str, str], list[Exception]]:
    return {place: [error] * times for place in places}


def states(parts: Parts) -> dict[tuple[str, str], str]:
    return {place: feed["state"] for place, feed in parts.producer.feeds().items()}


def asked(parts: Parts) -> list[tuple[str, str]]:
    return [(account, report) for account, report, _, _ in parts.source.asked]


async def test_every_account_is_read_and_its_feeds_are_well() -> None:
    parts = Parts(FakeSource(account_list=["1", "2"], reports=(Report.ENTITY, Report.CAMPAIGN_DAY)))
    await parts.runner.run_once()
    assert set(states(parts).values()) == {"ok"}
    assert set(states(parts)) == {(account, report) for account in "12" for report in ("entity", DAY)}
    feed = parts.producer.feeds()["1", DAY]
    assert (feed["rows"], feed["last_ok_ms"]) == (1, NOW_MS)
    assert telemetry.health.checks()["source"].ok


async def test_what_may_pass_is_tried_again_from_the_beginning_of_the_read() -> None:
    parts = Parts(FakeSource(rows=[[("2026-11-21", "a")], [("2026-11-21", "b")]]))
    parts.source.errors["1", f"{DAY}/1"] = [BUSY, BUSY]
    await parts.runner.run_once()
    assert states(parts) == {("1", DAY): "ok"}
    assert [value["row"]["name"] for value in parts.producer.raw("row")] == ["a", "a", "a", "b"]
    assert {value["rows"] for value in parts.producer.raw("report_complete")} == {2}
    assert not parts.producer.raw("vanished")


async def test_one_failing_account_does_not_stop_the_others() -> None:
    parts = Parts(FakeSource(account_list=["1", "2", "3"], errors=failing(("2", DAY), error=BUSY)))
    await parts.runner.run_once()
    assert states(parts) == {("1", DAY): "ok", ("2", DAY): "failing", ("3", DAY): "ok"}
    assert asked(parts).count(("2", DAY)) == run.ATTEMPTS
    assert parts.producer.feeds()["2", DAY]["detail"] == "HTTP 503"
    assert telemetry.health.checks()["source"].ok
    assert "2 campaign_day: HTTP 503" in telemetry.health.checks()["source"].detail


async def test_a_failing_report_does_not_keep_the_later_ones_from_being_read() -> None:
    source = FakeSource(reports=(Report.AD_DAY, Report.CAMPAIGN_DAY), errors=failing(("1", AD), error=BUSY))
    parts = Parts(source)
    await parts.runner.run_once()
    assert states(parts) == {("1", AD): "failing", ("1", DAY): "ok"}


async def test_a_query_that_is_refused_stops_its_report_alone() -> None:
    refused = Misconfigured("query", "refused as such")
    source = FakeSource(reports=(Report.AD_DAY, Report.CAMPAIGN_DAY), errors=failing(("1", AD), error=refused))
    parts = Parts(source)
    await parts.runner.run_once()
    assert states(parts) == {("1", AD): "stopped", ("1", DAY): "ok"}
    assert asked(parts).count(("1", AD)) == 1


async def test_what_a_person_must_mend_stops_the_account_for_an_hour_with_its_sentence() -> None:
    source = FakeSource(account_list=["1", "2"], reports=(Report.AD_DAY, Report.CAMPAIGN_DAY))
    source.errors = {("1", AD): [REVOKED]}
    parts = Parts(source)
    await parts.runner.run_once()
    assert [states(parts)["1", report] for report in (AD, DAY)] == ["stopped", "stopped"]
    assert parts.producer.feeds()["1", DAY]["detail"] == "authorise again"
    assert asked(parts).count(("1", AD)) == 1
    Now.at_ms += HOUR_MS - 1
    await parts.runner.run_once()
    assert asked(parts).count(("1", AD)) == 1
    assert asked(parts).count(("2", AD)) == 2
    Now.at_ms += 1
    await parts.runner.run_once()
    assert states(parts)["1", DAY] == "ok"
    assert parts.runner.failing == {}


async def test_a_used_up_day_is_slept_over_without_holding_up_anybody() -> None:
    spent = Transient("quota", "the operations of the day are used up", retry_after_s=7200.0)
    parts = Parts(FakeSource(account_list=["1", "2"], errors={("1", DAY): [spent]}))
    async with asyncio.timeout(5):
        await parts.runner.run_once()
    assert states(parts) == {("1", DAY): "failing", ("2", DAY): "ok"}
    assert "asked again in 7200 s" in parts.producer.feeds()["1", DAY]["detail"]
    Now.at_ms += 2 * HOUR_MS - 1
    await parts.runner.run_once()
    assert asked(parts).count(("1", DAY)) == 1
    Now.at_ms += 1
    await parts.runner.run_once()
    assert states(parts)["1", DAY] == "ok"


async def test_a_short_delay_is_waited_for_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float, _: Any) -> None:
        waits.append(seconds)

    monkeypatch.setattr("connectors.retry._sleep", sleep)
    slow_down = Transient("quota", "slow down", retry_after_s=30.0)
    parts = Parts(FakeSource(errors={("1", DAY): [slow_down]}))
    await parts.runner.run_once()
    assert waits == [30.0]
    assert states(parts) == {("1", DAY): "ok"}


async def test_an_account_that_waits_gives_its_turn_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.retry._JITTER", lambda _: 30.0)
    busy = [str(number) for number in range(run.ACCOUNTS_AT_ONCE)]
    source = FakeSource(account_list=[*busy, "9"], errors=failing(*((name, DAY) for name in busy), error=BUSY))
    parts = Parts(source)
    running = asyncio.ensure_future(parts.runner.run_once())
    async with asyncio.timeout(5):
        while ("9", DAY) not in states(parts):
            await asyncio.sleep(0.01)
    parts.stop.set()
    await running


async def test_no_list_of_accounts_stops_every_one_we_know_with_a_sentence() -> None:
    parts = Parts(FakeSource(account_list=["1", "2"]))
    await parts.runner.run_once()
    parts.source.errors = {("", ""): [REVOKED]}
    await parts.runner.run_once()
    assert states(parts) == {("1", DAY): "stopped", ("2", DAY): "stopped"}
    assert {feed["detail"] for feed in parts.producer.feeds().values()} == {"authorise again"}
    assert {feed["last_ok_ms"] for feed in parts.producer.feeds().values()} == {NOW_MS}
    assert not telemetry.health.checks()["source"].ok
    Now.at_ms += HOUR_MS
    await parts.runner.run_once()
    assert set(states(parts).values()) == {"ok"}
    assert telemetry.health.checks()["source"].ok


async def test_no_list_of_accounts_at_the_first_start_is_told_without_an_account() -> None:
    parts = Parts(FakeSource(errors={("", ""): [REVOKED]}))
    await parts.runner.run_once()
    assert states(parts) == {("", DAY): "stopped"}
    assert parts.source.asked == []


async def test_a_closed_account_is_left_out_and_the_others_are_read() -> None:
    closed = Misconfigured("permission", "the account is not enabled")
    parts = Parts(FakeSource(account_list=["1", "2"], errors={("2", ""): [closed]}))
    await parts.runner.run_once()
    assert states(parts) == {("1", DAY): "ok", ("2", DAY): "stopped"}


async def test_an_account_with_a_bad_zone_fails_alone() -> None:
    bad = BadRecord("bad_zone", "zone", "'Mars' is not an IANA time zone")
    parts = Parts(FakeSource(account_list=["1", "2"], errors={("2", DAY): [bad]}))
    await parts.runner.run_once()
    assert states(parts) == {("1", DAY): "ok", ("2", DAY): "failing"}


async def test_a_broker_that_is_away_ends_the_session_and_is_nobodys_failure() -> None:
    parts = Parts(FakeSource(account_list=["1", "2"]), Producer(fail_ack=KafkaTimeoutError()))
    with pytest.raises(ProducerLost):
        await parts.runner.run_once()
    assert states(parts) == {}


async def test_a_bug_is_raised_and_not_taken_for_a_failing_account() -> None:
    parts = Parts(FakeSource(errors={("1", DAY): [ZeroDivisionError()]}))
    with pytest.raises(ZeroDivisionError):
        await parts.runner.run(900)


async def test_it_runs_at_its_interval_until_told_to_stop() -> None:
    parts = Parts()
    running = asyncio.ensure_future(parts.runner.run(0.05))
    async with asyncio.timeout(5):
        while len(parts.source.asked) < 3:
            Now.at_ms += 20
            await asyncio.sleep(0.001)
        parts.stop.set()
        await running


async def test_a_slow_account_is_not_started_twice_and_does_not_hold_the_others_up() -> None:
    parts = Parts(FakeSource(account_list=["1", "2"]))
    gate = asyncio.Event()
    account = parts.source.account

    async def slow(account_id: str) -> Any:
        if account_id == "1":
            await gate.wait()
        return await account(account_id)

    parts.source.account = slow  # type: ignore[method-assign]
    running = asyncio.ensure_future(parts.runner.run(0.05))
    async with asyncio.timeout(5):
        while asked(parts).count(("2", DAY)) < 3:
            Now.at_ms += 20
            await asyncio.sleep(0.001)
    assert ("1", DAY) not in asked(parts)
    gate.set()
    parts.stop.set()
    await running


async def test_a_notice_is_in_the_health_and_does_not_make_it_unready() -> None:
    parts = Parts(FakeSource(sentence="v23 ends on 2027-02-01"))
    await parts.runner.run_once()
    check = telemetry.health.checks()["api version"]
    assert (check.ok, check.detail, check.required) == (False, "v23 ends on 2027-02-01", False)
    assert telemetry.health.ready


async def test_a_failure_is_logged_once_and_not_in_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(run.log, "warning", lambda event, **_: said.append(event))
    parts = Parts(FakeSource(errors=failing(("1", DAY), error=BUSY)))
    for _ in range(3):
        await parts.runner.run_once()
    assert said == ["given up until a later run"]
