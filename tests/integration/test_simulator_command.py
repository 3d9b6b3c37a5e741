"""`pulse simulate` as a process."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import httpx

from connectors.simulator.truth import entries

ANCHOR_MS = 1_795_244_400_000  # 2026-11-21 07:00 UTC


async def test_the_command_serves_until_a_signal_and_ends_within_two_seconds(tmp_path: Path) -> None:
    command = (
        "import typer; from agents.cli.simulate import simulate; app = typer.Typer(); app.command()(simulate); app()"
    )
    environment = {**os.environ, "PULSE_CLOCK": f"0,{ANCHOR_MS},1.0", "PYTHONPATH": str(Path(__file__).parents[2])}
    truth = tmp_path / "truth.ndjson"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        command,
        "--port",
        "0",
        "--truth",
        str(truth),
        "--seed",
        "5",
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().split()
        async with httpx.AsyncClient(base_url=line[-1], timeout=10) as http:
            health = (await http.get("/healthz")).json()
            labels = (await http.get("/_sim/labels")).json()
            process.send_signal(signal.SIGTERM)
            began_s = time.monotonic()
            assert await asyncio.wait_for(process.wait(), 10) == 0
            assert time.monotonic() - began_s < 2
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert health["ok"]
    assert health["anchor_ms"] > ANCHOR_MS
    assert {"overspend", "restated_below", "restated_above", "spend_spike"} <= {label["label"] for label in labels}
    assert entries(truth)[0]["settings"]["seed"] == 5
