"""`pulse down`: end what runs over a data folder."""

import os
import signal
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from connectors.local.data_lock import read_owner

LIMIT_S = 15.0


def down(
    data: Annotated[Path, typer.Option("--data", help="The folder given to `pulse up`.")] = Path(".pulse"),
) -> None:
    """End the system that runs over this folder, and wait until it is gone."""
    console = Console(stderr=True)
    owner = read_owner(data.absolute())
    if owner is None:
        console.print(f"nothing runs over {data}")
        return
    os.kill(owner.pid, signal.SIGTERM)
    deadline = time.monotonic() + LIMIT_S
    while owner.alive and time.monotonic() < deadline:
        time.sleep(0.1)
    if owner.alive:
        console.print(
            f"process {owner.pid} did not end within {LIMIT_S:.0f} s; `kill -9 {owner.pid}` ends it and its parts"
        )
        raise typer.Exit(1)
    console.print("ended")
