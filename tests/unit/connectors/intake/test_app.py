"""What a sender is answered, over a stream that stands for the broker."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import httpx
import pytest

from connectors import telemetry
from connectors.intake.app import create_app
from connectors.record_stream import RecordStream
from connectors.settings import IntakeSettings
from pipeline.codes import Stage, TransientCode
from pipeline.errors import Transient

NOW_MS = 1_763_713_254_000
GOOD = {
    "event_id": "e-1",
    "platform": "meta",
    "account_id": "act_1",
    "campaign_id": "77",
    "at": NOW_MS,
    "type": "click",
}
URL = "/v1/events"


class Broker:
    """Keeps what it is sent; `fate` decides what happens before the acknowledgement."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes, int]] = []
        self.fate: Callable[[], Any] = lambda: asyncio.sleep(0)

    async def send(self, records: list[tuple[bytes, bytes, int]]) -> None:
        await self.fate()
        self.records.extend(records)


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
async def client(broker: Broker) -> AsyncIterator[httpx.AsyncClient]:
    settings = IntakeSettings(max_body_bytes=1 << 20, max_event_bytes=2000)
    app = create_app(settings, cast(RecordStream, broker), lambda: NOW_MS, ack_wait_s=0.2)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://intake") as client:
        yield client


def one(**fields: Any) -> bytes:
    return json.dumps({name: value for name, value in (GOOD | fields).items() if value is not ...}).encode()


def is_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert "Traceback" not in answer.text
    return problem


async def test_an_event_goes_on_as_it_was_written_under_its_campaign_and_the_time_of_receipt(
    client: httpx.AsyncClient, broker: Broker
) -> None:
    value = b'{ "type":"click", "x":[1 ,2],' + one()[1:]
    answer = await client.post(URL, content=value + b"\n")
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "rejected": []})
    assert broker.records == [(b"meta:act_1:77", value, NOW_MS)]


async def test_bad_events_are_named_and_good_ones_go_on(client: httpx.AsyncClient, broker: Broker) -> None:
    values = [one(), one(count=-1), one(event_id="e-2"), b"{"]
    answer = await client.post(URL, content=b"\n".join(values), headers={"content-type": "application/x-ndjson"})
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 2
    assert [(r["index"], r["code"], r["field"]) for r in answer.json()["rejected"]] == [
        (1, "bad_value", "count"),
        (3, "malformed", ""),
    ]
    assert [value for _, value, _ in broker.records] == [values[0], values[2]]


async def test_a_request_without_a_good_event_is_a_problem_that_names_the_field(
    client: httpx.AsyncClient, broker: Broker
) -> None:
    problem = is_problem(await client.post(URL, content=one(zone="Mars")), 422)
    assert (problem["code"], problem["field"]) == ("bad_zone", "zone")
    assert len(problem["rejected"]) == 1
    assert broker.records == []


async def test_nothing_to_take_is_taken(client: httpx.AsyncClient) -> None:
    answer = await client.post(URL, content=b"[]")
    assert (answer.status_code, answer.json()) == (202, {"accepted": 0, "rejected": []})


async def test_a_packed_body_is_unpacked(client: httpx.AsyncClient, broker: Broker) -> None:
    body = gzip.compress(b"[" + one() + b"," + one(event_id="e-2") + b"]")
    answer = await client.post(URL, content=body, headers={"content-encoding": "gzip"})
    assert answer.json()["accepted"] == 2
    assert len(broker.records) == 2


async def test_an_event_larger_than_the_setting_is_refused(client: httpx.AsyncClient) -> None:
    assert is_problem(await client.post(URL, content=one(note="x" * 2000)), 422)["code"] == "oversized"


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", {}, 400),
        (b"[{]", {}, 400),
        (b"not gzip", {"content-encoding": "gzip"}, 400),
        (b"x", {"content-encoding": "br"}, 415),
        (b"x" * ((1 << 20) + 1), {}, 413),
        (gzip.compress(b"x" * ((1 << 20) + 1)), {"content-encoding": "gzip"}, 413),
    ],
)
async def test_a_body_that_is_no_request_is_a_problem(
    client: httpx.AsyncClient, content: bytes, headers: dict[str, str], status: int
) -> None:
    assert is_problem(await client.post(URL, content=content, headers=headers), status)["detail"]


async def test_a_body_without_a_length_is_bounded_as_well(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield bytes(100_000)

    is_problem(await client.post(URL, content=endless()), 413)


async def test_a_broker_that_is_away_is_answered_with_when_to_come_back(
    client: httpx.AsyncClient, broker: Broker
) -> None:
    async def refuse() -> None:
        raise Transient(TransientCode.BROKER_AWAY, "10.0.0.1:9092")

    broker.fate = refuse
    answer = await client.post(URL, content=one())
    assert is_problem(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) > 0


async def test_a_broker_that_does_not_answer_is_waited_for_and_no_longer(
    client: httpx.AsyncClient, broker: Broker
) -> None:
    broker.fate = lambda: asyncio.sleep(30)
    is_problem(await client.post(URL, content=one()), 503)


async def test_a_bug_is_a_problem_without_a_trace(client: httpx.AsyncClient, broker: Broker) -> None:
    async def fail() -> None:
        raise LookupError("secret words")

    broker.fate = fail
    answer = await client.post(URL, content=one())
    assert "secret" not in is_problem(answer, 500)["detail"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", URL, 405), ("POST", "/v1/event", 404)])
async def test_another_address_is_a_problem_that_says_the_right_one(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    assert URL in is_problem(await client.request(method, path), status)["detail"]


async def test_what_came_in_is_what_went_on_and_what_was_refused(client: httpx.AsyncClient, broker: Broker) -> None:
    before = telemetry.balance(Stage.INTAKE)
    await client.post(URL, content=b"[" + one() + b"," + one(at=1) + b"]")
    broker.fate = lambda: asyncio.sleep(30)
    await client.post(URL, content=one())  # undecided: it comes again
    after = telemetry.balance(Stage.INTAKE)
    counted = (
        after.received - before.received,
        after.emitted - before.emitted,
        after.dead_lettered - before.dead_lettered,
    )
    assert (counted, after.open) == ((2, 1, 1), before.open)


async def test_the_published_description_names_the_fields_of_an_event(client: httpx.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()
    content = described["paths"][URL]["post"]["requestBody"]["content"]
    assert "event_id" in content["application/json"]["schema"]["oneOf"][0]["properties"]
    assert "application/x-ndjson" in content
