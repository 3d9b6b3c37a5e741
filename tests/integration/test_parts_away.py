"""Broker or ClickHouse away: everyone waits, says so in health and once in the log, loses nothing and catches up."""

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from connectors.kafka_admin import admin
from connectors.lag import group_lag
from schemas.topics import RAW_EVENTS
from tests.live import PARTITIONS, PARTS, Live, event, live


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
