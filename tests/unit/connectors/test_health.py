"""Health over HTTP: alive, ready or not and why, and metrics."""

import json
import socket

import httpx
import pytest

from connectors import telemetry
from connectors.health import Health, serve
from pipeline.codes import MisconfiguredCode
from pipeline.errors import Misconfigured


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def address(health: Health) -> str:
    return f"http://127.0.0.1:{serve(health, telemetry.REGISTRY, 0)}"


def test_a_process_is_ready_when_what_it_waits_for_is_there(health: Health, address: str) -> None:
    health.expect("restored", "waiting for partitions")
    answer = httpx.get(f"{address}/readyz")
    assert answer.status_code == 503
    assert json.loads(answer.text)["checks"]["restored"] == {"ok": False, "detail": "waiting for partitions"}
    health.set("restored", ok=True)
    assert httpx.get(f"{address}/readyz").status_code == 200


def test_a_part_that_is_away_is_told_and_does_not_kill_the_process(health: Health, address: str) -> None:
    health.set("clickhouse", ok=False, detail="connection refused")
    assert httpx.get(f"{address}/healthz").status_code == 200
    assert "connection refused" in httpx.get(f"{address}/readyz").text


def test_a_check_that_is_not_required_is_only_shown(health: Health, address: str) -> None:
    health.set("feed", ok=False, detail="late", required=False)
    assert httpx.get(f"{address}/readyz").status_code == 200
    assert json.loads(httpx.get(f"{address}/readyz").text)["checks"]["feed"]["ok"] is False


def test_metrics_are_in_prometheus_form(address: str) -> None:
    telemetry.received("intake", 2)
    answer = httpx.get(f"{address}/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'pulse_records_received_total{stage="intake"}' in answer.text


def test_an_unknown_path_is_told_the_known_ones(address: str) -> None:
    answer = httpx.get(f"{address}/status")
    assert answer.status_code == 404
    assert "/readyz" in answer.text


def test_a_port_that_is_taken_is_named(health: Health) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Misconfigured, match=str(taken.getsockname()[1])) as refused:
            serve(health, telemetry.REGISTRY, taken.getsockname()[1])
    assert refused.value.code == MisconfiguredCode.PORT_IN_USE
