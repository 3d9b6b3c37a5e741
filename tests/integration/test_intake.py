"""Events over real HTTP into a real broker: byte for byte, acknowledged or refused, through outages and stops."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors import telemetry
from connectors.clock import Clock
from connectors.intake.server import listen, serve
from connectors.kafka import partition_of
from connectors.kafka_admin import ensure_topics
from connectors.local.kafka_broker import KafkaBroker
from connectors.local.kafka_jars import KafkaJars
from connectors.settings import IntakeSettings, KafkaSettings, Settings
from schemas.topics import BY_NAME, RAW_EVENTS
from tests.topic_records import records_of

PARTITIONS = 3
CLOCK = Clock(anchor_real_ms=int(time.time() * 1000), anchor_ms=1_763_713_254_000, speed=60.0)
URL = "/v1/events"


def settings_of(address: str, **intake: Any) -> Settings:
    return Settings(
        kafka=KafkaSettings(bootstrap_servers=address), intake=IntakeSettings(**intake), partitions=PARTITIONS
    )


@asynccontextmanager
async def intake(settings: Settings, topic: str = RAW_EVENTS, ack_wait_s: float = 10.0) -> AsyncIterator[Any]:
    """A client of a running intake; ends it and says how long that took in `client.ended_s`."""
    telemetry.health.clear()
    stop, sock = asyncio.Event(), listen("127.0.0.1", 0)
    address = "http://{}:{}".format(*sock.getsockname())
    serving = asyncio.ensure_future(serve(settings, CLOCK, sock, stop=stop, topic=topic, ack_wait_s=ack_wait_s))
    async with httpx.AsyncClient(base_url=address, timeout=20) as client:
        try:
            yield client
        finally:
            stop.set()
            await asyncio.wait_for(serving, 3)


async def ready(client: httpx.AsyncClient, expected: int = 200, limit_s: float = 30) -> None:
    deadline = time.monotonic() + limit_s
    while (answer := await client.get("/readyz")).status_code != expected:
        assert time.monotonic() < deadline, answer.text
        await asyncio.sleep(0.05)


def event(number: int, **fields: Any) -> bytes:
    body = {
        "event_id": f"e-{number}",
        "platform": "meta",
        "account_id": "act_1",
        "campaign_id": f"c{number % 7}",
        "at": CLOCK.now_ms(),
        "type": "impression",
    }
    return json.dumps(body | fields).encode()


@pytest.fixture
def topic(kafka_bootstrap: str, topic_prefix: str) -> str:
    own = replace(BY_NAME[RAW_EVENTS], name=topic_prefix + RAW_EVENTS)
    ensure_topics(settings_of(kafka_bootstrap), (own,))
    return own.name


@pytest.fixture
def own_broker(kafka_parts: KafkaJars, tmp_path: Path) -> Iterator[KafkaBroker]:
    broker = KafkaBroker(tmp_path / "kafka")
    broker.start()
    broker.wait_ready()
    yield broker
    broker.resume()
    broker.stop()


async def test_posted_events_stand_on_the_topic_byte_for_byte_at_the_place_of_their_campaign(
    kafka_bootstrap: str, topic: str
) -> None:
    settings = settings_of(kafka_bootstrap)
    values = [event(number, note="ä ]", extra=[number, {"x": None}]) for number in range(3000)]
    before_ms = CLOCK.now_ms()
    async with intake(settings, topic) as client:
        await ready(client)
        bodies = [b"[" + b" , ".join(values[:1000]) + b"]", b"\n".join(values[1000:2000]), *values[2000:2050]]
        answers = await asyncio.gather(*(client.post(URL, content=body) for body in bodies))
        rest = await client.post(URL, content=b"\r\n".join(values[2050:]))
    assert [answer.status_code for answer in (*answers, rest)] == [202] * 53
    assert sum(answer.json()["accepted"] for answer in (*answers, rest)) == 3000
    found = await records_of(settings, topic)
    assert sorted(record.value for record in found) == sorted(values)
    for record in found:
        assert record.key.decode() == f"meta:act_1:{json.loads(record.value)['campaign_id']}"
        assert record.partition == partition_of(record.key, PARTITIONS)
        assert before_ms <= record.timestamp <= CLOCK.now_ms()


async def test_one_campaigns_events_of_one_request_keep_their_order(kafka_bootstrap: str, topic: str) -> None:
    settings = settings_of(kafka_bootstrap)
    async with intake(settings, topic) as client:
        await ready(client)
        for first in range(0, 9000, 3000):
            lines = b"\n".join(event(number, campaign_id="one") for number in range(first, first + 3000))
            assert (await client.post(URL, content=lines)).status_code == 202
    found = [json.loads(record.value)["event_id"] for record in await records_of(settings, topic)]
    assert found == [f"e-{number}" for number in range(9000)]


async def test_bad_events_are_answered_and_stand_nowhere(kafka_bootstrap: str, topic: str) -> None:
    settings = settings_of(kafka_bootstrap)
    async with intake(settings, topic) as client:
        await ready(client)
        mixed = await client.post(URL, content=b"\n".join([event(1), event(2, count=-1), b"{", event(3)]))
        alone = await client.post(URL, content=event(4, zone="Mars"))
    assert (mixed.status_code, mixed.json()["accepted"], len(mixed.json()["rejected"])) == (202, 2, 2)
    assert (alone.status_code, alone.json()["field"]) == (422, "zone")
    found = await records_of(settings, topic)
    assert {json.loads(record.value)["event_id"] for record in found} == {"e-1", "e-3"}


async def test_every_partition_is_told_the_time_every_second(kafka_bootstrap: str, topic: str) -> None:
    settings = settings_of(kafka_bootstrap, tick_s=0.2)
    async with intake(settings, topic) as client:
        await ready(client)
        await asyncio.sleep(1.5)
    ticks = await records_of(settings, topic, ticks=True)
    for number in range(PARTITIONS):
        times = [record.timestamp for record in ticks if record.partition == number]
        assert 4 <= len(times) <= 12
        assert times == sorted(times)
        assert times[-1] - times[0] >= 600 * 60, "pulse time goes sixty times as fast as the wall"
    assert all(record.key is None and record.value is None for record in ticks)


async def test_metrics_and_health_are_on_the_same_port(kafka_bootstrap: str, topic: str) -> None:
    async with intake(settings_of(kafka_bootstrap), topic) as client:
        await ready(client)
        await client.post(URL, content=event(1))
        assert 'pulse_records_emitted_total{stage="intake"}' in (await client.get("/metrics")).text
        assert (await client.get("/healthz")).json()["checks"]["kafka"]["ok"]


@pytest.mark.timeout(180)
async def test_a_broker_that_hangs_or_is_gone_costs_senders_a_wait_and_no_event(own_broker: KafkaBroker) -> None:
    settings = settings_of(own_broker.address, tick_s=0.2)
    ensure_topics(settings, (BY_NAME[RAW_EVENTS],))
    taken: list[int] = []

    async def offer(client: httpx.AsyncClient, number: int) -> httpx.Response:
        answer: httpx.Response = await client.post(URL, content=event(number))
        taken.extend([number] if answer.status_code == 202 else [])
        return answer

    async with intake(settings, ack_wait_s=1.0) as client:
        await ready(client)
        await offer(client, 1)
        own_broker.pause()
        refused = await asyncio.gather(*(offer(client, number) for number in range(10, 20)))
        assert {answer.status_code for answer in refused} == {503}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
        await ready(client, 503)
        own_broker.resume()
        await ready(client)
        await offer(client, 2)
        await asyncio.to_thread(own_broker.stop)
        assert (await offer(client, 20)).status_code == 503
        await ready(client, 503)
        await asyncio.to_thread(own_broker.start)
        await asyncio.to_thread(own_broker.wait_ready)
        await ready(client)
        for number in range(10, 21):
            assert (await offer(client, number)).status_code == 202
    found = {json.loads(record.value)["event_id"] for record in await records_of(settings, RAW_EVENTS)}
    assert found == {f"e-{number}" for number in taken} == {f"e-{number}" for number in (1, 2, *range(10, 21))}


@pytest.mark.timeout(120)
async def test_a_stop_while_the_broker_hangs_is_as_quick(own_broker: KafkaBroker) -> None:
    settings = settings_of(own_broker.address)
    ensure_topics(settings, (BY_NAME[RAW_EVENTS],))
    async with intake(settings) as client:
        await ready(client)
        own_broker.pause()
        waiting = asyncio.ensure_future(client.post(URL, content=event(1)))
        await asyncio.sleep(0.5)
        began = time.monotonic()
    assert time.monotonic() - began < 3
    assert (await waiting).status_code == 503


@pytest.mark.timeout(120)
async def test_an_intake_that_starts_before_its_broker_answers_503_until_it_is_there(own_broker: KafkaBroker) -> None:
    settings = settings_of(own_broker.address)
    ensure_topics(settings, (BY_NAME[RAW_EVENTS],))
    own_broker.stop()
    async with intake(settings, ack_wait_s=0.5) as client:
        assert (await client.post(URL, content=event(1))).status_code == 503
        assert (await client.get("/readyz")).status_code == 503
        await asyncio.to_thread(own_broker.start)
        await asyncio.to_thread(own_broker.wait_ready)
        await ready(client)
        assert (await client.post(URL, content=event(1))).status_code == 202
    assert len(await records_of(settings, RAW_EVENTS)) == 1


def command(broker: KafkaBroker, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    own = {"KAFKA_BOOTSTRAP_SERVERS": broker.address, "PULSE_PARTITIONS": str(PARTITIONS), **environment}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PULSE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "agents.cli.main", "connect", "events", *arguments],
        env=clean | own,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.timeout(180)
def test_the_command_refuses_what_cannot_work_and_ends_soon_after_a_signal(own_broker: KafkaBroker) -> None:
    no_topic = command(own_broker, PULSE_INTAKE__PORT="0")
    _, said = no_topic.communicate(timeout=60)
    assert (no_topic.returncode, "pulse migrate" in said) == (78, True), said

    ensure_topics(settings_of(own_broker.address), (BY_NAME[RAW_EVENTS],))
    sock = listen("127.0.0.1", 0)
    port = str(sock.getsockname()[1])
    taken = command(own_broker, PULSE_INTAKE__PORT=port)
    _, said = taken.communicate(timeout=60)
    assert (taken.returncode, port in said) == (78, True), said
    sock.close()

    running = command(own_broker, PULSE_INTAKE__PORT=port)
    try:
        deadline = time.monotonic() + 60
        while not answers(port):
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        began = time.monotonic()
        running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=10)
        assert running.returncode == 0, said
        assert time.monotonic() - began < 3
        assert "Traceback" not in said
    finally:
        running.kill()
        running.wait()


def answers(port: str) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.HTTPError:
        return False
