"""`pulse status`: what runs over a data folder, where, and how far it is."""

import sys
from pathlib import Path
from typing import Annotated, Any

import httpx
import orjson
import typer
from rich.console import Console
from rich.table import Table

from agents.local_stack import ADDRESSES, environment_of
from agents.stage_topics import SOURCES
from connectors.kafka_admin import admin
from connectors.lag import group_lag
from connectors.local.data_lock import read_owner
from connectors.local.process_record import read_records
from connectors.settings import load_settings

TIMEOUT_S = 2.0


def status(
    data: Annotated[Path, typer.Option("--data", help="The folder given to `pulse up`.")] = Path(".pulse"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Show processes, addresses, health and lag. Exit 1 when nothing runs or a part is not ready."""
    found = _look(data.absolute())
    if as_json:
        sys.stdout.write(orjson.dumps(found).decode() + "\n")
    else:
        _show(found, Console())
    if not found["running"] or not all(part["ready"] for part in found["parts"] if part["ready"] is not None):
        raise typer.Exit(1)


def _look(directory: Path) -> dict[str, Any]:
    owner, environment = read_owner(directory), environment_of(directory)
    if owner is None or environment is None:
        return {"running": False, "data": str(directory), "addresses": {}, "parts": [], "lag": {}}
    addresses: dict[str, str] = orjson.loads((directory / ADDRESSES).read_bytes())["addresses"]
    parts = [
        {"name": record.name, "pid": record.pid, "alive": record.alive, "ready": _ready(addresses, record.name)}
        for record in read_records(directory / "processes.json")
        if record.name != "owner"
    ]
    settings = load_settings(environ=environment)
    lag: dict[str, int] = dict.fromkeys(SOURCES, 0)
    for (topic, _), behind in group_lag(admin(settings), settings.worker.group, SOURCES, settings.partitions).items():
        lag[topic] += behind
    return {
        "running": True,
        "data": str(directory),
        "pid": owner.pid,
        "addresses": addresses,
        "parts": parts,
        "lag": lag,
    }


def _ready(addresses: dict[str, str], name: str) -> bool | None:
    """What the part says of itself; None for parts that have no health endpoint."""
    metrics = addresses.get(f"metrics:{name}")
    if metrics is None:
        return None
    try:
        return httpx.get(metrics.replace("/metrics", "/readyz"), timeout=TIMEOUT_S).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _show(found: dict[str, Any], console: Console) -> None:
    if not found["running"]:
        console.print(f"nothing runs over {found['data']}; `pulse up` starts it")
        return
    table = Table(title=f"Campaign Pulse over {found['data']} (process {found['pid']})", title_justify="left")
    for name in ("part", "pid", "ready", "address"):
        table.add_column(name)
    for part in found["parts"]:
        address = found["addresses"].get(part["name"]) or found["addresses"].get(f"metrics:{part['name']}", "")
        ready = {None: "", True: "yes", False: "no"}[part["ready"]]
        table.add_row(part["name"], str(part["pid"]), ready, address)
    console.print(table)
    console.print("  ".join(f"{topic}: {behind} behind" for topic, behind in found["lag"].items()))
