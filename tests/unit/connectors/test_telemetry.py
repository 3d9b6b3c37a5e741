"""Metrics balance per stage, ages grow by themselves, and nothing logged holds a secret."""

import json
import logging
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest
from pydantic import SecretStr

from connectors import telemetry
from connectors.logs import masked
from pipeline.codes import BadRecordCode, DropReason, Stage, TransientCode

HUNTER = "hunter2-very-secret"


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def sample(name: str) -> float:
    value = telemetry.REGISTRY.get_sample_value(name)
    assert value is not None
    return value


def test_received_is_emitted_dropped_and_dead_lettered() -> None:
    before = telemetry.balance(Stage.AGGREGATE)
    telemetry.received(Stage.AGGREGATE, 10)
    telemetry.emitted(Stage.AGGREGATE, 5)
    telemetry.dropped(Stage.AGGREGATE, DropReason.DUPLICATE, 2)
    telemetry.dropped(Stage.AGGREGATE, DropReason.TICK)
    assert telemetry.balance(Stage.AGGREGATE).open == before.open + 2
    telemetry.dead_lettered(Stage.AGGREGATE, BadRecordCode.MALFORMED, 2)
    after = telemetry.balance(Stage.AGGREGATE)
    assert after.open == before.open
    assert (after.received - before.received, after.dropped - before.dropped) == (10, 3)


def test_the_stages_are_counted_apart_and_a_retry_is_no_outcome() -> None:
    sink, judge = telemetry.balance(Stage.SINK), telemetry.balance(Stage.JUDGE)
    telemetry.received(Stage.SINK, 3)
    telemetry.retried(Stage.SINK, TransientCode.CLICKHOUSE_AWAY)
    assert telemetry.balance(Stage.SINK).open == sink.open + 3
    assert telemetry.balance(Stage.JUDGE) == judge


def test_a_label_outside_the_closed_sets_is_a_bug() -> None:
    with pytest.raises(ValueError, match="kitchen"):
        telemetry.received("kitchen", 1)
    with pytest.raises(ValueError, match="boredom"):
        telemetry.dropped(Stage.SINK, "boredom", 1)
    with pytest.raises(ValueError, match="ugly"):
        telemetry.dead_lettered(Stage.SINK, "ugly", 1)


def test_an_age_grows_until_it_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now_s[0])
    telemetry.flush_age_s()
    telemetry.sink_age_s(2.0)
    now_s[0] += 5
    assert sample("pulse_flush_age_seconds") == 5.0
    assert sample("pulse_sink_age_seconds") == 7.0
    telemetry.flush_age_s()
    assert sample("pulse_flush_age_seconds") == 0.0


def test_lag_and_feed_age_are_shown_with_their_place() -> None:
    telemetry.consumer_lag("raw.events.v1", 3, 17)
    telemetry.event_lag_s(Stage.AGGREGATE, 1.5)
    telemetry.feed_age_s("google_ads", "123", "campaign_day", 9.0)
    text = generate_latest(telemetry.REGISTRY).decode()
    assert 'pulse_consumer_lag_records{partition="3",topic="raw.events.v1"} 17.0' in text
    assert 'pulse_event_lag_seconds{stage="aggregate"} 1.5' in text
    assert 'pulse_feed_age_seconds{account="123",report="campaign_day",source="google_ads"} 9.' in text


@pytest.mark.parametrize(
    "fields",
    [
        {"password": HUNTER},
        {"anything": SecretStr(HUNTER)},
        {"headers": {"Authorization": f"Bearer {HUNTER}"}},
        {"note": f"sent Authorization: Bearer {HUNTER}"},
        {"url": f"https://host/path?access_token={HUNTER}&page=2"},
        {"body": f'{{"refresh_token": "{HUNTER}", "page": 2}}'},
        {"bodies": [{"client_secret": HUNTER}]},
    ],
)
def test_no_secret_is_ever_logged(capsys: pytest.CaptureFixture[str], fields: dict[str, object]) -> None:
    telemetry.configure_logging("info", json=True)
    telemetry.log("test").info("called", **fields)
    said = capsys.readouterr().err
    assert HUNTER not in said
    assert "***" in said


def test_secrets_in_a_librarys_lines_and_in_traces_are_masked_too(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure_logging("info", json=True)
    logging.getLogger("some.library").warning("asking %s", f"https://host/?token={HUNTER}")
    try:
        int(f"password={HUNTER}")
    except ValueError:
        telemetry.log("test").exception("failed")
    said = capsys.readouterr().err
    assert HUNTER not in said
    assert "ValueError" in said


def test_what_only_sounds_like_a_secret_is_shown() -> None:
    assert masked({"token_url": "https://host/token", "developer_token": None, "rows": 3}) == {
        "token_url": "https://host/token",
        "developer_token": None,
        "rows": 3,
    }


def test_a_line_is_one_json_object_with_level_time_logger_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure_logging("info", json=True)
    telemetry.log("agents.shell").info("restored", partition=3)
    telemetry.log("agents.shell").debug("below the level")
    captured = capsys.readouterr()
    (line,) = lines(captured.err)
    assert captured.out == ""
    assert (line["event"], line["level"], line["logger"], line["partition"]) == ("restored", "info", "agents.shell", 3)
    assert str(line["at"]).endswith("Z")


def test_a_chatty_library_is_heard_only_when_it_warns(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure_logging("info", json=True)
    logging.getLogger("httpx").info("HTTP Request")
    logging.getLogger("aiokafka").warning("gone")
    assert [line["event"] for line in lines(capsys.readouterr().err)] == ["gone"]


def test_a_person_gets_text(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure_logging("info", json=False)
    telemetry.log("test").warning("look", topic="x")
    said = capsys.readouterr().err
    assert "look" in said
    assert not said.startswith("{")


def test_faust_is_given_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure_logging("warning", json=True)
    logging.config.dictConfig(telemetry.FAUST_LOGGING)
    logging.getLogger("anything").warning("password=%s", HUNTER)
    (line,) = lines(capsys.readouterr().err)
    assert line["event"] == "password=***"
