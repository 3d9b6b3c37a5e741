"""Bad input on real parts: each kind is refused with its code and field, and nothing good is lost beside it."""

import base64
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

from connectors.kafka import admin, partition_of
from connectors.lag import group_lag
from connectors.local.ports import HOST, choose_ports
from pipeline.alerts.metric import METRICS
from schemas.topics import DEAD_LETTERS, RAW_EVENTS, RAW_GOOGLE_ADS
from tests.google_rows import ACCOUNT, GoogleRows
from tests.system import PROGRAM, Message, System, system

CLEAN: tuple[int, int, int, list[object]] = (0, 0, 0, [])
NOON_MS = 1_795_176_000_000  # 2026-11-20T12:00:00Z
PARTITIONS = 4
PARTS = ("worker", "sink", "intake")


@dataclass
class Live:
    """The whole system with a worker, the sink and the intake, and where each says how it is."""

    running: System
    ports: dict[str, int]

    @property
    def intake(self) -> str:
        return f"http://{HOST}:{self.ports['intake']}"

    def metric(self, part: str, name: str, **labels: str) -> float:
        """The sum of the samples with these labels."""
        text = httpx.get(f"http://{HOST}:{self.ports[part]}/metrics", timeout=10).text
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = [line for line in text.splitlines() if line.startswith(name) and all(one in line for one in wanted)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def health(self, part: str) -> dict[str, Any]:
        """`{"ready": ..., "checks": ...}`; of a part that is not there yet: not ready."""
        try:
            found: dict[str, Any] = httpx.get(f"http://{HOST}:{self.ports[part]}/readyz", timeout=10).json()
        except httpx.HTTPError:
            return {"ready": False, "checks": {}}
        return found

    def until(self, what: str, condition: Callable[[], bool], limit_s: float = 40) -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline, f"{what} not within {limit_s} s; {[self.health(p) for p in PARTS]}"
            time.sleep(0.1)

    def until_ready(self) -> None:
        self.until("all ready", lambda: all(self.health(part)["ready"] for part in PARTS))

    def until_away(self, part: str, check: str) -> None:
        def is_told() -> bool:
            health = self.health(part)
            return not health["ready"] and not health["checks"][check]["ok"] and bool(health["checks"][check]["detail"])

        self.until(f"{part} says that {check} is away", is_told)

    def check(self) -> None:
        found = self.running.verify()
        assert (found["lost"], found["duplicated"], found["drift_micros"], found["differences"]) == CLEAN
        assert found["checked"] > 0

    def restarts(self) -> dict[str, int]:
        return {part.name: part.restarts for part in self.running.supervisor.status() if part.name in PARTS}


def live(directory: Path) -> Iterator[Live]:
    with system(directory, {"PULSE_WORKER__SESSION_S": "6"}) as running:
        ports = choose_ports(directory / "parts.json", dict.fromkeys(PARTS, 0))
        running.start("sink", "sink", PULSE_SINK__HTTP_PORT=str(ports["sink"]))
        own = {"PULSE_WORKER__INSTANCE": "worker", "PULSE_WORKER__HTTP_PORT": str(ports["worker"])}
        running.start("worker", "worker", **own)
        running.start("intake", "connect", "events", PULSE_INTAKE__PORT=str(ports["intake"]))
        made = Live(running, ports)
        made.until_ready()
        yield made


def event(name: str, **fields: Any) -> dict[str, Any]:
    base = {"event_id": name, "platform": "meta", "account_id": "1", "campaign_id": "7", "at": NOON_MS}
    return {**base, "type": "click", "currency": "EUR", "spend_micros": 1_000_000, **fields}


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
    bad("NaN", row(row__metrics__conversions="NaN"), "bad_value", "row.metrics.conversions"),
    bad("negative", row(row__metrics__costMicros="-5"), "bad_value", "row.metrics.costMicros"),
    bad("long ago", row(row__segments__date="1970-01-01"), "bad_time", "row.segments.date"),
    bad("far ahead", row(row__segments__date="2999-01-01"), "bad_time", "row.segments.date"),
    bad("no date", row(row__segments__date="2026-13-45"), "bad_time", "row.segments.date"),
    bad("no currency", row(row__customer__currencyCode="euro"), "bad_currency", "row.customer.currencyCode"),
)


# -- raw records ---------------------------------------------------------------------------------------------------


@dataclass
class Page:
    """What became of a page of good and bad records: the letters by topic and the bytes they hold."""

    live: Live
    letters: dict[tuple[str, bytes], dict[str, Any]] = field(default_factory=dict)


def put(running: System, messages: list[Message]) -> None:
    """As `System.produce`, for records of any size."""
    producer = Producer({"bootstrap.servers": running.kafka.address, "message.max.bytes": 12 << 20, "acks": "all"})
    for message in messages:
        producer.produce(message.topic, message.value, message.key, message.partition, timestamp=message.timestamp)
    assert producer.flush(60) == 0


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Good records of both raw topics with every kind of bad one between them, in one go."""
    for made in live(tmp_path_factory.mktemp("bad")):
        key, row_key = b"meta:1:7", f"google_ads:{ACCOUNT}:700001".encode()
        place, row_place = partition_of(key, PARTITIONS), partition_of(row_key, PARTITIONS)
        messages = []
        for number, one in enumerate(BAD_EVENTS):
            good = json.dumps(event(f"good{number}")).encode()
            messages += [Message(RAW_EVENTS, place, -1, NOON_MS + number, key, value) for value in (good, one.value)]
        strange = json.dumps(event("strange", campaign_id="9", currency="XQZ")).encode()
        other = b"meta:1:9"
        messages.append(Message(RAW_EVENTS, partition_of(other, PARTITIONS), -1, NOON_MS, other, strange))
        for number, bad_row in enumerate(BAD_ROWS):
            good_row = json.dumps(row(fetched_at_ms=NOON_MS + number)).encode()
            values = (good_row, bad_row.value)
            messages += [Message(RAW_GOOGLE_ADS, row_place, -1, NOON_MS, row_key, value) for value in values]
        last = row(fetched_at_ms=NOON_MS + 1000, row__metrics__costMicros="6000000")
        messages.append(Message(RAW_GOOGLE_ADS, row_place, -1, NOON_MS, row_key, json.dumps(last).encode()))
        put(made.running, messages)
        made.running.drain()
        found = Page(made)
        for message in made.running.read(DEAD_LETTERS):
            letter = json.loads(message.value or b"")
            found.letters[letter["topic"], base64.b64decode(letter["value"])] = letter
        yield found


@pytest.mark.parametrize("one", BAD_EVENTS, ids=lambda one: one.name)
def test_a_bad_event_becomes_a_letter_with_its_code_and_field(page: Page, one: Bad) -> None:
    _is_told(page, RAW_EVENTS, one)


@pytest.mark.parametrize("one", BAD_ROWS, ids=lambda one: one.name)
def test_a_bad_report_row_becomes_a_letter_with_its_code_and_field(page: Page, one: Bad) -> None:
    _is_told(page, RAW_GOOGLE_ADS, one)


def _is_told(page: Page, topic: str, one: Bad) -> None:
    letter = page.letters[topic, one.value]
    assert (letter["code"], letter["field"], letter["stage"]) == (one.code, one.field, "aggregate")
    assert letter["detail"], "a person must see what is wrong"
    stored = page.live.running.sql(
        "SELECT code, field, value FROM dead_letters FINAL WHERE topic = {t:String} AND offset = {o:Int64} "
        "AND partition = {p:Int64}",
        t=topic,
        o=letter["offset"],
        p=letter["partition"],
    )
    assert [(found["code"], found["field"]) for found in stored] == [(one.code, one.field)]


def test_no_letter_holds_a_good_record(page: Page) -> None:
    assert len(page.letters) == len(BAD_EVENTS) + len(BAD_ROWS)
    assert set(page.letters) == {(RAW_EVENTS, one.value) for one in BAD_EVENTS} | {
        (RAW_GOOGLE_ADS, one.value) for one in BAD_ROWS
    }


def test_the_rest_of_the_page_goes_on(page: Page) -> None:
    counted = "SELECT clicks, spend_micros FROM totals FINAL WHERE campaign_id = {c:String} AND window = '1d'"
    sql = page.live.running.sql
    assert sql(counted, c="7") == [{"clicks": len(BAD_EVENTS), "spend_micros": len(BAD_EVENTS) * 1_000_000}]
    assert [found["spend_micros"] for found in sql(counted, c="700001")] == [6_000_000]
    page.live.check()


def test_refusals_are_counted_by_their_code(page: Page) -> None:
    name = "pulse_records_dead_lettered_total"
    for code in {one.code for one in (*BAD_EVENTS, *BAD_ROWS)}:
        expected = sum(one.code == code for one in (*BAD_EVENTS, *BAD_ROWS))
        assert page.live.metric("worker", name, stage="aggregate", code=code) == expected


def test_an_unknown_currency_is_counted_in_itself(page: Page) -> None:
    found = page.live.running.sql("SELECT DISTINCT currency, spend_micros FROM totals FINAL WHERE campaign_id = '9'")
    assert found == [{"currency": "XQZ", "spend_micros": 1_000_000}]


# -- the intake ----------------------------------------------------------------------------------------------------


def post(page: Page, body: bytes, **headers: str) -> httpx.Response:
    return httpx.post(f"{page.live.intake}/v1/events", content=body, headers=headers, timeout=20)


def is_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["detail"]
    return problem


# Those that are wrong by themselves; the others only in the light of what the campaign has said before.
AT_THE_DOOR = [one for one in BAD_EVENTS if one.name not in {"other currency", "another campaign's key", "malformed"}]


@pytest.mark.parametrize("one", [one for one in AT_THE_DOOR if one.field], ids=lambda one: one.name)
def test_a_bad_event_is_refused_at_the_door_with_its_field(page: Page, one: Bad) -> None:
    problem = is_problem(post(page, one.value), 422)
    assert (problem["code"], problem["field"]) == (one.code, one.field)


def test_a_body_that_is_no_event_is_a_problem_and_never_a_trace(page: Page) -> None:
    is_problem(post(page, b""), 400)
    is_problem(post(page, b"[{]"), 400)
    is_problem(post(page, b"\x1f\x8bnot gzip", **{"content-encoding": "gzip"}), 400)
    is_problem(post(page, b"{}", **{"content-encoding": "br"}), 415)
    is_problem(post(page, b"[" + b"1," * (6 << 20) + b"1]"), 413)
    is_problem(httpx.get(f"{page.live.intake}/v1/events", timeout=10), 405)
    is_problem(httpx.post(f"{page.live.intake}/v2/events", timeout=10), 404)


def test_good_events_beside_bad_ones_are_taken_and_the_bad_ones_named(page: Page) -> None:
    now_ms = time.time_ns() // 1_000_000
    good = [event(f"beside{number}", campaign_id="beside", at=now_ms) for number in range(2)]
    answer = post(page, json.dumps([good[0], event("x", count=-1), good[1]]).encode())
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
    (rejected,) = answer.json()["rejected"]
    assert (rejected["index"], rejected["code"], rejected["field"]) == (1, "bad_value", "count")
    page.live.running.drain()
    assert page.live.running.sql("SELECT clicks FROM totals FINAL WHERE campaign_id = 'beside' AND window = '1d'") == [
        {"clicks": 2}
    ]


def test_an_unknown_field_is_kept_ignored_and_counted_once_by_its_name(page: Page) -> None:
    before = page.live.metric("intake", "pulse_unknown_fields_total", stage="intake")
    now_ms = time.time_ns() // 1_000_000
    sent = [
        json.dumps(event(f"extra{number}", campaign_id="extra", at=now_ms, colour="red", size={"w": 1})).encode()
        for number in range(3)
    ]
    for body in sent:
        assert post(page, body).status_code == 202
    assert page.live.metric("intake", "pulse_unknown_fields_total", stage="intake") == before + 2
    log = page.live.running.log("intake")
    assert [log.count(f'"field":"{name}"') for name in ("colour", "size")] == [1, 1]
    page.live.running.drain()
    kept = page.live.running.sql("SELECT value FROM raw_records WHERE key = 'meta:1:extra' ORDER BY offset")
    assert [found["value"].encode() for found in kept] == sent
    assert page.live.running.sql("SELECT clicks FROM totals FINAL WHERE campaign_id = 'extra' AND window = '1d'") == [
        {"clicks": 3}
    ]
    page.live.check()


# -- configuration --------------------------------------------------------------------------------------------------


def refused(directory: Path, arguments: list[str], **environ: str) -> str:
    """What the process says when it refuses to start."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PULSE_", "KAFKA_"))}
    ended = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=directory,
        env={**inherited, "PYTHONPATH": str(Path(__file__).parents[2]), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (78, "")
    assert "Traceback" not in ended.stderr
    return ended.stderr


@pytest.mark.parametrize("command", [["worker"], ["sink"], ["connect", "events"], ["connect", "google-ads"], ["up"]])
def test_a_wrong_setting_is_refused_with_key_expectation_and_finding(tmp_path: Path, command: list[str]) -> None:
    said = refused(tmp_path, command, PULSE_PARTITIONS="many")
    assert said == 'pulse: PULSE_PARTITIONS: expected a whole number, found "many".\n'


def test_a_misspelt_setting_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    said = refused(tmp_path, ["worker"], PULSE_WORKER__SESION_S="3")
    assert "PULSE_WORKER__SESION_S is not a setting; did you mean PULSE_WORKER__SESSION_S?" in said


def test_a_secret_of_the_wrong_form_is_masked(tmp_path: Path) -> None:
    (tmp_path / "pulse.toml").write_text('[kafka]\nsasl_password = ["hunter2"]\n')
    said = refused(tmp_path, ["worker"])
    assert "kafka.sasl_password" in said
    assert "found ***" in said
    assert "hunter2" not in said


def test_a_missing_credential_is_named_and_the_given_ones_are_not_shown(tmp_path: Path) -> None:
    said = refused(
        tmp_path, ["connect", "google-ads"], PULSE_GOOGLE_ADS__ENABLED="true", PULSE_GOOGLE_ADS__CLIENT_SECRET="hunter2"
    )
    assert "PULSE_GOOGLE_ADS__REFRESH_TOKEN" in said
    assert "PULSE_GOOGLE_ADS__CLIENT_SECRET" not in said
    assert "hunter2" not in said


RULE = '[[rule]]\nid = "mine"\nkind = "threshold"\nseverity = "low"\nmetric = "{}"\nabove = {}\n'


def test_a_rule_on_an_unknown_metric_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULE.format("ctrr", 5))
    said = refused(tmp_path, ["worker"], PULSE_WORKER__RULES_FILE=str(tmp_path / "rules.toml"))
    assert "rule 'mine': metric: 'ctrr' is not known" in said
    assert all(str(metric) in said for metric in METRICS)


def test_a_rule_that_can_never_fire_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULE.format("ctr", 250))
    said = refused(tmp_path, ["worker"], PULSE_WORKER__RULES_FILE=str(tmp_path / "rules.toml"))
    assert "rule 'mine': ctr is a percentage, never above 250" in said


def test_a_rules_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    said = refused(tmp_path, ["worker"], PULSE_WORKER__RULES_FILE=str(tmp_path / "none.toml"))
    assert f"worker.rules_file is {tmp_path / 'none.toml'}" in said


# -- parts that are away ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    yield from live(tmp_path_factory.mktemp("away"))


def more(house: Live, stem: str, count: int = 200) -> None:
    """Post events; what is not taken is sent again, as a sender does."""
    now_ms = time.time_ns() // 1_000_000
    for first in range(0, count, 50):
        batch = [event(f"{stem}{n}", campaign_id=f"c{n % 10}", at=now_ms) for n in range(first, first + 50)]
        body = json.dumps(batch).encode()
        deadline = time.monotonic() + 60
        while _post_status(house, body) != 202:
            assert time.monotonic() < deadline, "the intake never took them"
            time.sleep(0.2)


def _post_status(house: Live, body: bytes) -> int:
    try:
        return httpx.post(f"{house.intake}/v1/events", content=body, timeout=20).status_code
    except httpx.HTTPError:
        return 0


def lines(house: Live, part: str, event: str) -> int:
    return house.running.log(part).count(f'"event":"{event}"')


@pytest.mark.parametrize("way", ["silent", "gone"])
def test_while_the_broker_is_away_everyone_waits_says_so_and_catches_up(house: Live, way: str) -> None:
    house.until_ready()
    more(house, f"before-{way}")
    told = {part: lines(house, part, "broker away") for part in ("worker", "intake")}
    logged = {part: house.running.log(part).count("\n") for part in PARTS}
    restarts, kafka = house.restarts(), house.running.kafka
    if way == "silent":
        kafka.pause()
    else:
        house.running.supervisor.stop_part("kafka")
    try:
        for part in PARTS:
            house.until_away(part, "kafka")
        body = json.dumps(event(f"away-{way}", at=time.time_ns() // 1_000_000)).encode()
        answer = httpx.post(f"{house.intake}/v1/events", content=body, timeout=20)
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    finally:
        if way == "silent":
            kafka.resume()
        else:
            house.running.supervisor.start_part("kafka")
    house.until_ready()
    assert _post_status(house, body) == 202
    more(house, f"after-{way}")
    house.running.drain(90)
    house.check()
    assert house.restarts() == restarts, "waiting is not ending"
    assert {part: lines(house, part, "broker away") - told[part] for part in told} == dict.fromkeys(told, 1)
    grown = {part: house.running.log(part).count("\n") - logged[part] for part in PARTS}
    assert max(grown.values()) < 100, grown


def test_while_clickhouse_is_away_the_sink_waits_says_so_and_catches_up(house: Live) -> None:
    house.until_ready()
    more(house, "before-clickhouse")
    restarts, told = house.restarts(), lines(house, "sink", "clickhouse is away or busy; waiting")
    house.running.supervisor.stop_part("clickhouse")
    try:
        more(house, "meanwhile-clickhouse")
        house.until_away("sink", "clickhouse")
        assert house.health("worker")["ready"], "counting does not need ClickHouse"
        group = house.running.settings.worker.group
        client = admin(house.running.settings)
        house.until(
            "the worker is at the end",
            lambda: (
                not any(behind > 2 for behind in group_lag(client, group, [RAW_EVENTS], PARTITIONS).values())
            ),  # a tick a second is always on its way
        )
    finally:
        house.running.supervisor.start_part("clickhouse")
        house.running.clickhouse.wait_ready()
    house.until_ready()
    house.running.drain(90)
    house.check()
    assert house.restarts() == restarts
    assert lines(house, "sink", "clickhouse is away or busy; waiting") == told + 1
