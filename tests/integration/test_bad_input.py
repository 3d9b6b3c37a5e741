"""Bad input on real parts: each kind is refused with its code and field, and nothing good is lost beside it."""

import base64
import gzip
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

from connectors.kafka import partition_of
from schemas.topics import DEAD_LETTERS, RAW_EVENTS, RAW_GOOGLE_ADS
from tests.bad_records import BAD_EVENTS, BAD_ROWS, Bad, row
from tests.google_rows import ACCOUNT
from tests.live import NOON_MS, PARTITIONS, Live, event, live
from tests.system import Message, System

pytestmark = pytest.mark.timeout(300)  # the page is heavy, and a busy machine takes its time


# -- raw records ---------------------------------------------------------------------------------------------------


@dataclass
class Page:
    """What became of a page of good and bad records: the letters by topic and the bytes they hold."""

    live: Live
    letters: dict[tuple[str, bytes], dict[str, Any]] = field(default_factory=dict)


def put(running: System, messages: list[Message]) -> None:
    """As `System.produce`, in batches as large as can be: what is huge has neighbours, and packs to nearly nothing."""
    large = {"message.max.bytes": 60 << 20, "batch.size": 60 << 20, "linger.ms": 2_000, "compression.type": "zstd"}
    producer = Producer({"bootstrap.servers": running.kafka.address, "acks": "all", **large})
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


def test_huge_and_exploding_records_stay_within_memory(page: Page) -> None:
    """The page holds 90 MB unpacked, as two fetches of a few hundred KB; its letters hold it again."""
    assert most_memory_mb(page, "worker") < 400
    assert most_memory_mb(page, "sink") < 800


def test_what_is_larger_than_a_topic_takes_is_refused_by_the_broker(page: Page) -> None:
    refusals: list[Any] = []
    producer = Producer({"bootstrap.servers": page.live.running.kafka.address, "message.max.bytes": 60 << 20})
    noise = random.Random(1).randbytes(13 << 20)
    producer.produce(RAW_EVENTS, noise, b"meta:1:7", on_delivery=lambda error, _: refusals.append(error))
    assert producer.flush(30) == 0
    assert [error.name() for error in refusals] == ["MSG_SIZE_TOO_LARGE"]


def most_memory_mb(page: Page, part: str) -> float:
    """The most it has ever held, as the kernel saw it."""
    status = Path(f"/proc/{page.live.running.pid(part)}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def test_an_unknown_currency_is_counted_in_itself(page: Page) -> None:
    found = page.live.running.sql("SELECT DISTINCT currency, spend_micros FROM totals FINAL WHERE campaign_id = '9'")
    assert found == [{"currency": "XQZ", "spend_micros": 1_000_000}]


@pytest.mark.parametrize(
    ("key", "spend_micros"), [("meta:1:9", 1_000_000), (f"google_ads:{ACCOUNT}:700001", 6_000_000)]
)
def test_a_record_of_an_unknown_campaign_is_kept_counted_and_told(page: Page, key: str, spend_micros: int) -> None:
    sql = page.live.running.sql
    assert sql("SELECT count() AS kept FROM raw_records FINAL WHERE key = {k:String}", k=key)[0]["kept"] > 0
    counted = sql("SELECT spend_micros FROM totals FINAL WHERE campaign_key = {k:String} AND window = '1d'", k=key)
    assert counted == [{"spend_micros": spend_micros}]
    assert page.live.metric("worker", "pulse_unknown_campaigns_total", stage="aggregate") >= 3
    for topic in (RAW_EVENTS, RAW_GOOGLE_ADS):
        assert f'"topic":"{topic}","campaigns":1,"event":"records of unknown campaigns"' in page.live.running.log(
            "worker"
        )


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


def test_a_huge_event_is_refused_at_the_door_and_a_huger_one_as_soon_as_it_says_so(page: Page) -> None:
    ten_mb = next(one.value for one in BAD_EVENTS if one.name == "10 MB")
    assert is_problem(post(page, ten_mb), 422)["code"] == "oversized"
    problem = is_problem(post(page, ten_mb + b" " * 1_000_000), 413)
    assert problem["code"] == "oversized"
    assert "send several requests" in problem["detail"]


def test_a_body_that_unpacks_to_gigabytes_costs_no_memory(page: Page) -> None:
    is_problem(post(page, gzip.compress(b"{}"), **{"content-encoding": "gzip"}), 422)
    before_mb = most_memory_mb(page, "intake")
    bomb = gzip.compress(bytes(128 << 20), 1) * 16  # 2 GiB in 9 MB
    problem = is_problem(post(page, bomb, **{"content-encoding": "gzip"}), 413)
    assert "unpacked" in problem["detail"]
    for encoding in ("zstd", "deflate", "gzip, gzip"):
        assert "send gzip or none" in is_problem(post(page, bomb, **{"content-encoding": encoding}), 415)["detail"]
    very_many = gzip.compress(b"") * 400_000
    is_problem(post(page, very_many, **{"content-encoding": "gzip"}), 400)
    assert most_memory_mb(page, "intake") - before_mb < 120


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
